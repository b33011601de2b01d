/* Loaded into a server (LD_PRELOAD): writes down, in the order of the calls, what is offered to sockets, what was written
 * to increments of the append-only file, and what was brought to the disk. One line each, into the file that TRACE_FILE
 * names: "S bytes", "W inode bytes", "F inode", the bytes in hexadecimal, zeroes left out: big values are made of them.
 * Children of the server leave no trace. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int trace = -1;
static pid_t traced;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TRACE_FILE");
    traced = getpid();
    if (path)
        trace = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* What a descriptor is: 'S' a socket, 'F' an increment, 0 anything else. */
static char kind_of(int fd, unsigned long *inode) {
    struct stat about;
    if (trace < 0 || getpid() != traced || fstat(fd, &about) != 0)
        return 0;
    *inode = about.st_ino;
    if (S_ISSOCK(about.st_mode))
        return 'S';
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return strstr(path, ".incr.aof") ? 'F' : 0;
}

static void note(const char *head, const struct iovec *pieces, int count, size_t most) {
    size_t room = strlen(head) + 2, used;
    for (int i = 0; i < count; i++)
        room += 2 * pieces[i].iov_len;
    char *line = malloc(room);
    used = (size_t)sprintf(line, "%s", head);
    for (int i = 0; i < count; i++)
        for (size_t at = 0; at < pieces[i].iov_len && most > 0; at++, most--) {
            unsigned char byte = ((const unsigned char *)pieces[i].iov_base)[at];
            if (byte == 0)
                continue;
            line[used++] = "0123456789abcdef"[byte >> 4];
            line[used++] = "0123456789abcdef"[byte & 15];
        }
    line[used++] = '\n';
    syscall(SYS_write, trace, line, used);
    free(line);
}

static void before(int fd, const struct iovec *pieces, int count) {
    unsigned long inode;
    if (kind_of(fd, &inode) == 'S')
        note("S ", pieces, count, (size_t)-1);
}

static ssize_t after(int fd, const struct iovec *pieces, int count, ssize_t result) {
    unsigned long inode;
    char head[64];
    if (result > 0 && kind_of(fd, &inode) == 'F') {
        snprintf(head, sizeof head, "W %lu ", inode);
        note(head, pieces, count, (size_t)result);
    }
    return result;
}

static int synced(int fd, int result) {
    unsigned long inode;
    char head[64];
    if (result == 0 && kind_of(fd, &inode) == 'F') {
        snprintf(head, sizeof head, "F %lu", inode);
        note(head, NULL, 0, 0);
    }
    return result;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t length) {
    struct iovec piece = {(void *)bytes, length};
    before(fd, &piece, 1);
    return after(fd, &piece, 1, REAL(write)(fd, bytes, length));
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
    before(fd, pieces, count);
    return after(fd, pieces, count, REAL(writev)(fd, pieces, count));
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    struct iovec piece = {(void *)bytes, length};
    before(fd, &piece, 1);
    return REAL(send)(fd, bytes, length, flags);
}

ssize_t sendto(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
    struct iovec piece = {(void *)bytes, length};
    before(fd, &piece, 1);
    return REAL(sendto)(fd, bytes, length, flags, to, size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    before(fd, message->msg_iov, (int)message->msg_iovlen);
    return REAL(sendmsg)(fd, message, flags);
}

int fsync(int fd) { return synced(fd, REAL(fsync)(fd)); }

int fdatasync(int fd) { return synced(fd, REAL(fdatasync)(fd)); }
