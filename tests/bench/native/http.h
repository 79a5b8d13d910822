/* Http: just enough of HTTP/1.1 to tell where a message with a Content-Length ends. */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* CLOCK_MONOTONIC is the same in every process, so that times of generator and sink can be compared. */
static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

struct message {
    size_t head; /* bytes up to and with the empty line */
    size_t body;
    int closes;  /* the peer closes the connection after it */
};

/* 1: all of it is there; 0: not yet; -1: not a form that is understood here. */
static inline int complete(const char *text, size_t length, struct message *found) {
    const char *end = memmem(text, length, "\r\n\r\n", 4);
    if (!end) return 0;
    found->head = (size_t)(end - text) + 4;
    found->body = 0;
    found->closes = 0;
    for (const char *line = text; line < end;) {
        const char *stop = memchr(line, '\r', (size_t)(end + 2 - line));
        if (!stop) break;
        if (!strncasecmp(line, "content-length:", 15)) found->body = strtoull(line + 15, NULL, 10);
        else if (!strncasecmp(line, "transfer-encoding:", 18)) return -1;
        else if (!strncasecmp(line, "connection:", 11))
            found->closes = memmem(line, (size_t)(stop - line), "close", 5) != NULL;
        line = stop + 2;
    }
    return length >= found->head + found->body;
}

#endif
