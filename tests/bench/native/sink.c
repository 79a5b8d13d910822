/* Sink: takes every delivery, answers 200, and writes down when each event came first.
 *
 *   sink EVENTS SINKS FILE
 *
 * Prints its port. The path begins with the sink's number, /3; what goes to /3/hang is neither answered nor counted. FILE is
 * shared memory: the counters below, then for each sink the time of the first arrival of each event, in ns.
 * Ends when its standard input does, so that it never outlives who started it. */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define MARK "bench-1"
#define DIGITS 8
#define LARGEST (1u << 20)
static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

struct counters {
    uint64_t requests, arrived, repeated, strange, bytes, last;
};

struct connection {
    int fd;
    size_t length, room;
    char *text;
};

static struct counters *counters;
static uint64_t *first;
static size_t events, sinks;

static void take(const char *text, const struct message *found) {
    const char *path = memchr(text, '/', found->head);
    const char *mark = memmem(text + found->head, found->body, MARK, sizeof MARK - 1);
    uint64_t now = now_ns();
    size_t sink = path ? strtoull(path + 1, NULL, 10) : 0, event = events;
    if (mark && mark + sizeof MARK - 1 + DIGITS <= text + found->head + found->body) {
        event = 0;
        for (int i = 0; i < DIGITS; i++) event = event * 10 + (size_t)(mark[sizeof MARK - 1 + i] - '0');
    }
    counters->requests++;
    counters->bytes += found->body;
    counters->last = now;
    if (event >= events || sink >= sinks) {
        counters->strange++;
    } else if (first[sink * events + event]) {
        counters->repeated++;
    } else {
        first[sink * events + event] = now;
        counters->arrived++;
    }
}

static void drop(struct connection *one) {
    close(one->fd);
    free(one->text);
    free(one);
}

static int hangs(const char *text, size_t head) {
    const char *line = memchr(text, '\r', head);
    return line && memmem(text, (size_t)(line - text), "/hang", 5) != NULL;
}

/* 0: the connection is over. */
static int serve(struct connection *one) {
    for (;;) {
        if (one->length == one->room) {
            if (one->room >= LARGEST) return 0;
            one->room *= 2;
            one->text = realloc(one->text, one->room);
            if (!one->text) die("realloc");
        }
        ssize_t got = recv(one->fd, one->text + one->length, one->room - one->length, 0);
        if (got == 0) return 0;
        if (got < 0) return errno == EAGAIN || errno == EINTR;
        one->length += (size_t)got;
        struct message found;
        int state;
        while ((state = complete(one->text, one->length, &found)) > 0) {
            size_t whole = found.head + found.body;
            if (!hangs(one->text, found.head)) {
                take(one->text, &found);
                if (send(one->fd, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) != sizeof ANSWER - 1) return 0;
            }
            memmove(one->text, one->text + whole, one->length - whole);
            one->length -= whole;
            if (found.closes) return 0;
        }
        if (state < 0) {
            counters->strange++;
            return 0;
        }
    }
}

static void welcome(int queue, int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
        if (fd < 0) return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *one = malloc(sizeof *one);
        if (!one) die("malloc");
        *one = (struct connection){fd, 0, 16384, malloc(16384)};
        if (!one->text) die("malloc");
        struct epoll_event wish = {.events = EPOLLIN, .data.ptr = one};
        if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &wish)) die("epoll_ctl");
    }
}

static int listen_anywhere(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) || listen(fd, 1024)) die("listen");
    if (getsockname(fd, (struct sockaddr *)&at, &size)) die("getsockname");
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

int main(int count, char **words) {
    if (count != 4) return fprintf(stderr, "usage: sink EVENTS SINKS FILE\n"), 2;
    events = strtoull(words[1], NULL, 10);
    sinks = strtoull(words[2], NULL, 10);
    size_t size = sizeof *counters + events * sinks * sizeof *first;
    int file = open(words[3], O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, (off_t)size)) die(words[3]);
    counters = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (counters == MAP_FAILED) die("mmap");
    first = (uint64_t *)(counters + 1);

    int listener = listen_anywhere(), queue = epoll_create1(0), parent = 0;
    struct epoll_event wish = {.events = EPOLLIN, .data.ptr = &listener}, ready[256];
    epoll_ctl(queue, EPOLL_CTL_ADD, listener, &wish);
    wish.data.ptr = &parent;
    if (epoll_ctl(queue, EPOLL_CTL_ADD, parent, &wish)) die("standard input must be a pipe");
    for (;;) {
        int found = epoll_wait(queue, ready, 256, -1);
        for (int i = 0; i < found; i++) {
            if (ready[i].data.ptr == &parent) return 0;
            if (ready[i].data.ptr == &listener) welcome(queue, listener);
            else if (!serve(ready[i].data.ptr)) drop(ready[i].data.ptr);
        }
    }
}
