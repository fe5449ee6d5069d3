/* What a process does to the files below one directory: written down in order, or refused.
 *
 * Preloaded into the processes of a lab. FAULTS_ROOT names the directory. Where FAULTS_LOG names a
 * file, each change below the root is appended to it once it is done, and each fsync twice, before
 * and after; a replay can then say what had reached the disk at any moment. While the file that
 * FAULTS_FULL names exists, the disk is full: what would make a file longer fails with ENOSPC.
 *
 * A record is a header, two paths and the data, appended by one writev: records of several
 * processes never mix. SQLite's -shm files are mapped memory and no disk's concern: left out.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct header {
    uint32_t magic;
    uint32_t kind; /* one letter, see LOG */
    uint64_t inode, thread;
    int64_t offset;
    uint64_t size;
    uint32_t path_size, other_size;
};

static char root[PATH_MAX], full[PATH_MAX];
static size_t root_size;
static int log_fd = -1;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("FAULTS_ROOT"), *log = getenv("FAULTS_LOG");
    if (name && strlen(name) + 2 < sizeof root) {
        strcpy(root, name);
        strcat(root, "/");
        root_size = strlen(root);
    }
    if ((name = getenv("FAULTS_FULL")) && strlen(name) < sizeof full) strcpy(full, name);
    if (log && root_size) {
        int fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        /* Out of the way of whoever closes or inherits low numbers. */
        log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 700);
        syscall(SYS_close, fd);
    }
}

static int is_ours(const char *path) {
    size_t size;
    if (!root_size || strncmp(path, root, root_size - 1) != 0) return 0;
    if (path[root_size - 1] != '/') return path[root_size - 1] == 0;
    size = strlen(path);
    return size < 4 || strcmp(path + size - 4, "-shm") != 0;
}

static int path_of(int fd, char *path) {
    char link[40];
    ssize_t size;
    if (!root_size || fd < 0 || fd == log_fd) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, path, PATH_MAX - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    return path[0] == '/' && is_ours(path);
}

/* An absolute path, without a look at the last part: it may be a link, or not there. */
static int path_at(int dir, const char *name, char *path) {
    char base[PATH_MAX];
    ssize_t size;
    if (!root_size || !name) return 0;
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return is_ours(path);
    }
    if (dir == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return 0;
    } else {
        char link[40];
        snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
        size = readlink(link, base, sizeof base - 1);
        if (size <= 0) return 0;
        base[size] = 0;
    }
    if (snprintf(path, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) return 0;
    return is_ours(path);
}

static void note(char kind, uint64_t inode, int64_t offset, const char *path, const char *other,
                 const void *data, size_t size) {
    struct header header = {0x4b534944, (uint32_t)kind, inode, syscall(SYS_gettid), offset, size,
                            (uint32_t)strlen(path), (uint32_t)strlen(other)};
    struct iovec parts[4] = {{&header, sizeof header},
                             {(void *)path, header.path_size},
                             {(void *)other, header.other_size},
                             {(void *)data, size}};
    int before = errno;
    if (log_fd >= 0 && writev(log_fd, parts, 4) < 0) abort();
    errno = before;
}

static uint64_t inode_of(int fd, int64_t *size) {
    struct stat facts;
    if (fstat(fd, &facts) != 0) return 0;
    if (size) *size = facts.st_size;
    return facts.st_ino;
}

static int no_room(int fd, int64_t end) {
    int64_t size = 0;
    if (!full[0] || syscall(SYS_faccessat, AT_FDCWD, full, F_OK) != 0) return 0;
    inode_of(fd, &size);
    if (end <= size) return 0;
    errno = ENOSPC;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int opened(int fd, int flags, int was_there, const char *path) {
    uint64_t inode;
    if (fd < 0) return fd;
    inode = inode_of(fd, NULL);
    if (!was_there && (flags & O_CREAT)) note('c', inode, 0, path, "", NULL, 0);
    else if (flags & O_TRUNC) note('t', inode, 0, path, "", NULL, 0);
    return fd;
}

#define OPEN(name, head, call, dir)                                                \
    int name head {                                                                \
        char path[PATH_MAX];                                                       \
        int mode = 0, fd, ours, was_there = 1;                                     \
        if (flags & (O_CREAT | __O_TMPFILE)) {                                     \
            va_list more;                                                          \
            va_start(more, flags);                                                 \
            mode = va_arg(more, int);                                              \
            va_end(more);                                                          \
        }                                                                          \
        ours = (flags & (O_CREAT | O_TRUNC)) && path_at(dir, file, path);          \
        if (ours) was_there = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;   \
        fd = REAL(name) call;                                                      \
        return ours ? opened(fd, flags, was_there, path) : fd;                     \
    }
OPEN(open, (const char *file, int flags, ...), (file, flags, mode), AT_FDCWD)
OPEN(open64, (const char *file, int flags, ...), (file, flags, mode), AT_FDCWD)
OPEN(openat, (int at, const char *file, int flags, ...), (at, file, flags, mode), at)
OPEN(openat64, (int at, const char *file, int flags, ...), (at, file, flags, mode), at)

#define PWRITE(name, offset_type)                                                  \
    ssize_t name(int fd, const void *data, size_t size, offset_type offset) {      \
        char path[PATH_MAX];                                                       \
        ssize_t done;                                                              \
        int ours = path_of(fd, path);                                              \
        if (ours && no_room(fd, offset + (int64_t)size)) return -1;                \
        done = REAL(name)(fd, data, size, offset);                                 \
        if (ours && done > 0) note('w', inode_of(fd, NULL), offset, path, "", data, done); \
        return done;                                                               \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t size) {
    char path[PATH_MAX];
    int64_t end = 0, at;
    ssize_t done;
    int ours = path_of(fd, path);
    if (ours) {
        int appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
        at = lseek(fd, 0, SEEK_CUR);
        if (appends) inode_of(fd, &at);
        if (no_room(fd, at + (int64_t)size)) return -1;
    }
    done = REAL(write)(fd, data, size);
    if (ours && done > 0) {
        end = lseek(fd, 0, SEEK_CUR);
        note('w', inode_of(fd, NULL), end - done, path, "", data, done);
    }
    return done;
}

/* What goes from file to file inside the kernel is read back to be written down. */
static void note_copied(int fd, const char *path, int64_t offset, size_t size) {
    char piece[65536], again[40];
    int reader;
    snprintf(again, sizeof again, "/proc/self/fd/%d", fd);
    reader = syscall(SYS_openat, AT_FDCWD, again, O_RDONLY | O_CLOEXEC, 0);
    while (reader >= 0 && size > 0) {
        ssize_t got = pread(reader, piece, size < sizeof piece ? size : sizeof piece, offset);
        if (got <= 0) break;
        note('w', inode_of(fd, NULL), offset, path, "", piece, got);
        offset += got;
        size -= got;
    }
    if (reader >= 0) syscall(SYS_close, reader);
}

#define SENDFILE(name, offset_type)                                                \
    ssize_t name(int to, int from, offset_type *offset, size_t size) {             \
        char path[PATH_MAX];                                                       \
        int ours = path_of(to, path);                                              \
        ssize_t done;                                                              \
        if (ours && no_room(to, lseek(to, 0, SEEK_CUR) + 1)) return -1;            \
        done = REAL(name)(to, from, offset, size);                                 \
        if (ours && done > 0) note_copied(to, path, lseek(to, 0, SEEK_CUR) - done, done); \
        return done;                                                               \
    }
ssize_t sendfile(int, int, off_t *, size_t);
ssize_t sendfile64(int, int, off64_t *, size_t);
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

#define TRUNCATE(name, offset_type)                                                \
    int name(int fd, offset_type size) {                                           \
        char path[PATH_MAX];                                                       \
        int ours = path_of(fd, path), result;                                      \
        if (ours && no_room(fd, size)) return -1;                                  \
        result = REAL(name)(fd, size);                                             \
        if (ours && result == 0) note('t', inode_of(fd, NULL), size, path, "", NULL, 0); \
        return result;                                                             \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

static const char *sort_of(int fd) {
    struct stat facts;
    return fstat(fd, &facts) == 0 && S_ISDIR(facts.st_mode) ? "/" : "";
}

#define SYNC(name)                                                                 \
    int name(int fd) {                                                             \
        char path[PATH_MAX];                                                       \
        int ours = path_of(fd, path), result;                                      \
        uint64_t inode = ours ? inode_of(fd, NULL) : 0;                            \
        if (ours) note('s', inode, 0, path, sort_of(fd), NULL, 0);                          \
        result = REAL(name)(fd);                                                   \
        if (ours && result == 0) note('S', inode, 0, path, sort_of(fd), NULL, 0);           \
        return result;                                                             \
    }
SYNC(fsync)
SYNC(fdatasync)

static int moved(char kind, int a, const char *from, int b, const char *to, int result) {
    char old[PATH_MAX], new[PATH_MAX];
    int ours = path_at(a, from, old) | path_at(b, to, new);
    if (ours && result == 0) note(kind, 0, 0, old, new, NULL, 0);
    return result;
}

int rename(const char *from, const char *to) {
    return moved('r', AT_FDCWD, from, AT_FDCWD, to, REAL(rename)(from, to));
}
int renameat(int a, const char *from, int b, const char *to) {
    return moved('r', a, from, b, to, REAL(renameat)(a, from, b, to));
}
int link(const char *from, const char *to) {
    return moved('l', AT_FDCWD, from, AT_FDCWD, to, REAL(link)(from, to));
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
    return moved('l', a, from, b, to, REAL(linkat)(a, from, b, to, flags));
}

static int gone(char kind, int dir, const char *name, int result) {
    char path[PATH_MAX];
    if (result == 0 && path_at(dir, name, path)) note(kind, 0, 0, path, "", NULL, 0);
    return result;
}
int unlink(const char *name) { return gone('u', AT_FDCWD, name, REAL(unlink)(name)); }
int unlinkat(int dir, const char *name, int flags) {
    return gone(flags & AT_REMOVEDIR ? 'd' : 'u', dir, name, REAL(unlinkat)(dir, name, flags));
}
int rmdir(const char *name) { return gone('d', AT_FDCWD, name, REAL(rmdir)(name)); }
int mkdir(const char *name, mode_t mode) {
    return gone('m', AT_FDCWD, name, REAL(mkdir)(name, mode));
}
int mkdirat(int dir, const char *name, mode_t mode) {
    return gone('m', dir, name, REAL(mkdirat)(dir, name, mode));
}
int symlink(const char *to, const char *name) {
    return gone('y', AT_FDCWD, name, REAL(symlink)(to, name));
}
int symlinkat(const char *to, int dir, const char *name) {
    return gone('y', dir, name, REAL(symlinkat)(to, dir, name));
}
