/* cpu.c: CPU name, caches and how many CPUs this process may use. Linux tells through sysconf and /sys; where
 * nothing is told, the sizes of a small current core stand in, so that plans stay reasonable and repeatable. */
#define _GNU_SOURCE
#include "core/cpu.h"

#include <ctype.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "fastconv.h"

static fc_cpu_info cached;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* /sys/.../cache/indexN: level, type and size ("48K"); -1 if absent. */
static int64_t sysfs_cache(int level) {
    for (int index = 0; index < 8; ++index) {
        char path[96], text[32];
        int found = 0;
        const char *const fields[] = {"level", "type", "size"};
        for (int f = 0; f < 3; ++f) {
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, fields[f]);
            FILE *file = fopen(path, "r");
            if (!file) return -1;
            const int read = fgets(text, sizeof text, file) != NULL;
            fclose(file);
            if (!read || (f == 0 && atoi(text) != level) || (f == 1 && text[0] == 'I')) break;
            found = f == 2;
        }
        if (found) {
            char *end;
            const int64_t size = strtoll(text, &end, 10);
            return *end == 'K' ? size << 10 : *end == 'M' ? size << 20 : size;
        }
    }
    return -1;
}

static int64_t cache_bytes(int level, int name, int64_t otherwise) {
    int64_t bytes = sysfs_cache(level);
#ifdef _SC_LEVEL1_DCACHE_SIZE
    if (bytes <= 0) bytes = sysconf(name);
#else
    (void)name;
#endif
    return bytes > 0 ? bytes : otherwise;
}

/* cgroup v2 "quota period" in microseconds, or v1's two files; 0 where there is no limit. */
static int quota_cpus(void) {
    long long quota = -1, period = 100000;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (file) {
        if (fscanf(file, "%lld %lld", &quota, &period) != 2) quota = -1;
        fclose(file);
    } else if ((file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r"))) {
        if (fscanf(file, "%lld", &quota) != 1) quota = -1;
        fclose(file);
        if ((file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r"))) {
            if (fscanf(file, "%lld", &period) != 1) period = 100000;
            fclose(file);
        }
    }
    if (quota <= 0 || period <= 0) return 0;
    return (int)((quota + period - 1) / period);
}

static int count_cpus(void) {
    int count = 0;
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
#endif
    if (count < 1) count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    const int quota = quota_cpus();
    if (quota > 0 && quota < count) count = quota;
    return count > 0 ? count : 1;
}

static void brand(char *name, size_t size) {
    snprintf(name, size, "unknown");
#if defined(__x86_64__)
    unsigned words[12];
    for (unsigned i = 0; i < 3; ++i)
        if (!__get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]))
            return;
    char text[sizeof words + 1];
    memcpy(text, words, sizeof words);
    text[sizeof words] = '\0';
    const char *start = text;
    while (isspace((unsigned char)*start)) ++start;
    size_t length = strlen(start);
    while (length > 0 && isspace((unsigned char)start[length - 1])) --length;
    if (length > 0) snprintf(name, size, "%.*s", (int)length, start);
#endif
}

static void probe(void) {
    brand(cached.name, sizeof cached.name);
#if defined(__x86_64__)
    cached.arch = "x86_64";
#elif defined(__aarch64__)
    cached.arch = "aarch64";
#else
    cached.arch = "other";
#endif
#ifdef _SC_LEVEL1_DCACHE_SIZE
    enum { L1 = _SC_LEVEL1_DCACHE_SIZE, L2 = _SC_LEVEL2_CACHE_SIZE, L3 = _SC_LEVEL3_CACHE_SIZE };
#else
    enum { L1, L2, L3 };
#endif
    cached.l1_bytes = cache_bytes(1, L1, 32 << 10);
    cached.l2_bytes = cache_bytes(2, L2, 512 << 10);
    cached.l3_bytes = cache_bytes(3, L3, 8 << 20);
    cached.logical_cpus = count_cpus();
#ifdef _OPENMP
    cached.openmp = _OPENMP;
#endif
}

void fc_cpu(fc_cpu_info *info) {
    pthread_once(&once, probe);
    *info = cached;
}

int fc_usable_cpus(void) {
    pthread_once(&once, probe);
    return cached.logical_cpus;
}

int64_t fc_l1_bytes(void) {
    pthread_once(&once, probe);
    return cached.l1_bytes;
}

int64_t fc_l2_bytes(void) {
    pthread_once(&once, probe);
    return cached.l2_bytes;
}

int64_t fc_l3_bytes(void) {
    pthread_once(&once, probe);
    return cached.l3_bytes;
}
