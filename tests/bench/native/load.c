/* Load: posts prepared requests and writes down when each was due, sent and answered, and with which status.
 *
 *   load PORT FILE RESULT CONNECTIONS RATE SECONDS FIRST COUNT PATIENCE
 *
 * RATE 0 is a closed loop: every connection sends its next request as soon as the last one was answered. Any
 * other rate (per second) is an open loop: a request is due by the clock, whether or not a connection is free.
 * It sends COUNT records from FIRST on, for SECONDS at most, and then waits PATIENCE seconds for answers.
 *
 * FILE, all numbers 32 bits: how many prototypes and records; per prototype its length, the number of its
 * slots, their offset and length each, and its bytes; per record its prototype and the bytes for its slots.
 * RESULT: per record three times in ns, and the status (0: no answer), 64 bits each. It ends with its parent. */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS 8
#define LARGEST 65536
#define REFUSALS 1000
#define MOST_NS 100000000u

struct prototype {
    uint32_t length, slots, offset[SLOTS], size[SLOTS], values;
    const char *text;
};

struct result {
    uint64_t due, sent, answered, status;
};

struct connection {
    int fd;
    long record; /* the one under way; -1: free */
    size_t sent, total, received;
    char out[LARGEST], in[LARGEST];
};

static struct prototype *prototypes;
static const char **values;
static uint32_t *kind;
static uint32_t records;
static struct result *results;
static struct connection *connections;
static struct sockaddr_in peer = {.sin_family = AF_INET};
static int queue, refusals;
static long next_record, last_record, under_way;
static uint64_t began, ends;
static double rate;

static void *all_of(size_t size) {
    void *room = calloc(1, size);
    if (!room) die("calloc");
    return room;
}

static uint32_t number(const char **at) {
    uint32_t value;
    memcpy(&value, *at, sizeof value);
    *at += sizeof value;
    return value;
}

static void read_load(const char *path) {
    int file = open(path, O_RDONLY);
    struct stat about;
    if (file < 0 || fstat(file, &about)) die(path);
    const char *at = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (at == MAP_FAILED) die(path);
    uint32_t many = number(&at);
    records = number(&at);
    prototypes = all_of(many * sizeof *prototypes);
    for (struct prototype *one = prototypes; one < prototypes + many; one++) {
        one->length = number(&at);
        one->slots = number(&at);
        if (one->slots > SLOTS || one->length > LARGEST) die("a prototype is too large");
        for (uint32_t i = 0; i < one->slots; i++) {
            one->offset[i] = number(&at);
            one->size[i] = number(&at);
            one->values += one->size[i];
        }
        one->text = at;
        at += one->length;
    }
    values = all_of(records * sizeof *values);
    kind = all_of(records * sizeof *kind);
    for (uint32_t i = 0; i < records; i++) {
        kind[i] = number(&at);
        values[i] = at;
        at += prototypes[kind[i]].values;
    }
}

static void watch(struct connection *one, int operation, uint32_t what) {
    struct epoll_event wish = {.events = what, .data.ptr = one};
    if (epoll_ctl(queue, operation, one->fd, &wish)) die("epoll_ctl");
}

static void dial(struct connection *one) {
    int on = 1;
    one->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (one->fd < 0) die("socket");
    while (connect(one->fd, (struct sockaddr *)&peer, sizeof peer))
        if (++refusals > REFUSALS) die("connect");
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(one->fd, F_SETFL, O_NONBLOCK);
    one->received = 0;
    watch(one, EPOLL_CTL_ADD, EPOLLIN);
}

static void redial(struct connection *one) {
    close(one->fd);
    dial(one);
}

static void end_record(struct connection *one, uint64_t status) {
    results[one->record].answered = status ? now_ns() : 0;
    results[one->record].status = status;
    one->record = -1;
    under_way--;
}

static int push(struct connection *one) {
    while (one->sent < one->total) {
        ssize_t gone = send(one->fd, one->out + one->sent, one->total - one->sent, MSG_NOSIGNAL);
        if (gone < 0 && errno == EAGAIN) {
            watch(one, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return 1;
        }
        if (gone < 0) return 0;
        one->sent += (size_t)gone;
    }
    watch(one, EPOLL_CTL_MOD, EPOLLIN);
    return 1;
}

static void start(struct connection *one, uint64_t due) {
    const struct prototype *from = &prototypes[kind[next_record]];
    const char *value = values[next_record];
    memcpy(one->out, from->text, from->length);
    for (uint32_t i = 0; i < from->slots; value += from->size[i++])
        memcpy(one->out + from->offset[i], value, from->size[i]);
    one->sent = 0;
    one->total = from->length;
    one->record = next_record++;
    under_way++;
    results[one->record].due = due;
    results[one->record].sent = now_ns();
    while (one->sent < one->total) {
        ssize_t gone = send(one->fd, one->out + one->sent, one->total - one->sent, MSG_NOSIGNAL);
        if (gone < 0 && errno == EAGAIN) {
            watch(one, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        if (gone < 0) {
            end_record(one, 0);
            redial(one);
            return;
        }
        one->sent += (size_t)gone;
    }
}

static void next_of_closed_loop(struct connection *one) {
    uint64_t now = now_ns();
    if (next_record < last_record && now < ends) start(one, now);
}

/* 0: the connection is over. */
static int hear(struct connection *one) {
    ssize_t got = recv(one->fd, one->in + one->received, LARGEST - one->received, 0);
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return 0;
    one->received += (size_t)got;
    struct message found;
    int state = complete(one->in, one->received, &found);
    if (state < 0 || one->record < 0) return 0;
    if (!state) return one->received < LARGEST;
    end_record(one, strtoull(one->in + 9, NULL, 10));
    one->received = 0;
    if (found.closes) redial(one);
    if (!rate) next_of_closed_loop(one);
    return 1;
}

static void lose(struct connection *one) {
    if (one->record >= 0) end_record(one, 0);
    if (++refusals > REFUSALS) die("connections break");
    redial(one);
    if (!rate) next_of_closed_loop(one);
}

static uint64_t due_at(long turn) {
    return began + (uint64_t)((double)turn * 1e9 / rate);
}

/* Open loop: hand out what is due to whoever is free; returns ns until the next one is due. */
static uint64_t hand_out(long first, int many) {
    static int turn;
    for (; next_record < last_record; turn = (turn + 1) % many) {
        uint64_t due = due_at(next_record - first), now = now_ns();
        if (due >= ends) return last_record = next_record, 0;
        if (due > now) return due - now;
        int tried = 0;
        while (connections[turn].record >= 0 && tried++ < many) turn = (turn + 1) % many;
        if (connections[turn].record >= 0) return MOST_NS;
        start(&connections[turn], due);
    }
    return MOST_NS;
}

static void run(int many, long first, uint64_t patience) {
    struct epoll_event ready[256];
    began = now_ns();
    ends += began;
    if (!rate)
        for (int i = 0; i < many; i++) next_of_closed_loop(&connections[i]);
    for (;;) {
        uint64_t wait = rate ? hand_out(first, many) : MOST_NS;
        struct timespec most = {0, (long)(wait < MOST_NS ? wait : MOST_NS)};
        struct pollfd any = {queue, POLLIN, 0};
        uint64_t now = now_ns();
        int over = next_record >= last_record || now >= ends;
        if (over && (!under_way || now >= ends + patience)) return;
        /* epoll itself can wait for whole milliseconds only. */
        ppoll(&any, 1, &most, NULL);
        int found = epoll_wait(queue, ready, 256, 0);
        for (int i = 0; i < found; i++) {
            struct connection *one = ready[i].data.ptr;
            int well = 1;
            if (ready[i].events & EPOLLOUT) well = push(one);
            if (well && ready[i].events & ~(uint32_t)EPOLLOUT) well = hear(one);
            if (!well) lose(one);
        }
    }
}

int main(int count, char **words) {
    if (count != 10) return fprintf(stderr, "usage: see the head of load.c\n"), 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_TIMERSLACK, 1);
    peer.sin_port = htons((uint16_t)atoi(words[1]));
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    read_load(words[2]);
    int many = atoi(words[4]);
    rate = atof(words[5]);
    ends = (uint64_t)(atof(words[6]) * 1e9);
    long first = next_record = atol(words[7]);
    last_record = first + atol(words[8]);
    if (last_record > records) last_record = records;
    results = all_of(records * sizeof *results);
    connections = all_of((size_t)many * sizeof *connections);
    queue = epoll_create1(0);
    for (int i = 0; i < many; i++) {
        connections[i].record = -1;
        dial(&connections[i]);
    }
    run(many, first, (uint64_t)(atof(words[9]) * 1e9));

    int file = open(words[3], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const char *from = (const char *)(results + first);
    size_t left = (size_t)(next_record - first) * sizeof *results;
    while (left) {
        ssize_t gone = write(file, from, left);
        if (gone <= 0) die(words[3]);
        from += gone;
        left -= (size_t)gone;
    }
    return 0;
}
