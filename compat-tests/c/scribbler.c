/*
 * `scribbler FOLDER SECONDS SEED`: a peer gone mad. Maps every file under FOLDER and writes garbage into their words: most of it
 * into the first pages, where heads, tails, locks and tables lie, the rest anywhere. Prints how many words it wrote.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES 64

static struct {
    unsigned char *memory;
    size_t size;
    ino_t inode;
} files[FILES];
static int file_count;
static uint64_t state;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void map_file(const char *path)
{
    struct stat facts;
    int fd = open(path, O_RDWR | O_NOFOLLOW);
    if (fd < 0)
        return;
    if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size >= 64) {
        int known = 0;
        for (int i = 0; i < file_count; i++)
            known |= files[i].inode == facts.st_ino;
        if (!known && file_count < FILES) {
            void *memory = mmap(NULL, (size_t)facts.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            if (memory != MAP_FAILED) {
                files[file_count].memory = memory;
                files[file_count].size = (size_t)facts.st_size;
                files[file_count].inode = facts.st_ino;
                file_count++;
            }
        }
    }
    close(fd);
}

static void map_folder(const char *folder)
{
    DIR *directory = opendir(folder);
    struct dirent *entry;
    if (!directory)
        return;
    while ((entry = readdir(directory))) {
        char path[4096];
        struct stat facts;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (lstat(path, &facts) != 0)
            continue;
        if (S_ISDIR(facts.st_mode))
            map_folder(path);
        else if (S_ISREG(facts.st_mode))
            map_file(path);
    }
    closedir(directory);
}

/* A value that a careless reader would trip over. */
static uint64_t nasty(uint64_t before)
{
    static const uint64_t values[] = {0, 1, 2, 0x7f, 0xff, 0x3ff, 0x400, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
                                      0xffffffff, 0xfffffffe, 0x7fffffffffffffff, 0xffffffffffffffff, 1024, 1023, 2112};
    switch (next_random() % 5) {
    case 0:
        return next_random();
    case 1:
        return before ^ (1ull << (next_random() % 64));
    case 2:
        return before + 1 + next_random() % 64;
    case 3:
        return before - 1 - next_random() % 64;
    default:
        return values[next_random() % (sizeof values / sizeof *values)];
    }
}

static void scribble(unsigned char *memory, size_t size)
{
    size_t reach = size;
    switch (next_random() % 4) {
    case 0:
        reach = 4096;
        break;
    case 1:
        reach = 65536;
        break;
    case 2:
        reach = 512;
        break;
    default:
        break;
    }
    if (reach > size)
        reach = size;
    size_t width = (size_t)1 << (next_random() % 4), at = next_random() % (reach / width) * width;
    uint64_t value = 0;
    memcpy(&value, memory + at, width);
    value = nasty(value);
    memcpy(memory + at, &value, width);
}

int main(int argc, char **argv)
{
    unsigned long words = 0;
    if (argc != 4)
        return 2;
    double seconds = atof(argv[2]);
    state = strtoull(argv[3], NULL, 0) * 0x9e3779b97f4a7c15ull + 1;
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        map_folder(argv[1]);
        for (int burst = 0; burst < 200 && file_count > 0; burst++) {
            int file = (int)(next_random() % (uint64_t)file_count);
            scribble(files[file].memory, files[file].size);
            words++;
            if (burst % 10 == 0)
                usleep(50);
        }
        usleep(1000);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
    printf("files %d words %lu\n", file_count, words);
    return 0;
}
