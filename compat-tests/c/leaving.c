/*
 * `leaving DEVICE LAST`: streams single frames until somebody kicks for the caller, has that thread stopped while frames stream, sends LAST
 * more of another type, and returns from main without closing.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <pcap/pcap.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned char frame[60] = {2, 0, 0, 0, 0, 0xbb, 2, 0, 0, 0, 0, 0xaa, 0x88, 0xb5};

/* The thread that is not this one; 0: there is none. */
static int other_thread(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int found = 0;
    for (struct dirent *task; (task = readdir(tasks));) {
        int number = atoi(task->d_name);
        if (number && number != getpid())
            found = number;
    }
    closedir(tasks);
    return found;
}

/* Whether a stopped thread was waiting for somebody's call. */
static int sleeps(int thread)
{
    char name[64], call[32] = "";
    snprintf(name, sizeof name, "/proc/%d/syscall", thread);
    FILE *file = fopen(name, "r");
    if (file) {
        if (!fgets(call, sizeof call, file))
            call[0] = 0;
        fclose(file);
    }
    return atoi(call) == SYS_futex;
}

/* Stops the thread whose number it reads while it is awake, says so, and lets it end with its process. */
static void stop(int from, atomic_int *stopped)
{
    int thread = 0;
    if (read(from, &thread, sizeof thread) != sizeof thread)
        _exit(0);
    while (!ptrace(PTRACE_SEIZE, thread, 0, 0) && !ptrace(PTRACE_INTERRUPT, thread, 0, 0) &&
           waitpid(thread, NULL, __WALL) == thread) {
        if (!sleeps(thread)) {
            *stopped = 1;
            waitpid(thread, NULL, __WALL);
            break;
        }
        ptrace(PTRACE_DETACH, thread, 0, 0);
        usleep(1000);
    }
    _exit(0);
}

static void stream(pcap_t *handle, int frames)
{
    while (frames > 0)
        frames -= pcap_inject(handle, frame, sizeof frame) == sizeof frame;
}

int main(int argc, char **argv)
{
    char error[PCAP_ERRBUF_SIZE];
    int pipes[2];
    atomic_int *stopped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (argc != 3 || stopped == MAP_FAILED || pipe(pipes))
        return 2;
    int stopper = fork();
    if (!stopper) {
        close(pipes[1]);
        stop(pipes[0], stopped);
    }
    prctl(PR_SET_PTRACER, stopper);
    pcap_t *handle = pcap_open_live(argv[1], 100, 0, 100, error);
    if (!handle) {
        fprintf(stderr, "%s\n", error);
        return 3;
    }
    int kicker = 0;
    for (int round = 0; round < 1000 && !kicker; round++) {
        stream(handle, 1024);
        kicker = other_thread();
    }
    if (!kicker) {
        printf("nobody kicks\n");
        return 0;
    }
    if (write(pipes[1], &kicker, sizeof kicker) != sizeof kicker)
        return 4;
    for (int round = 0; round < 1000000 && !*stopped; round++)
        stream(handle, 1);
    if (!*stopped)
        return 5;
    frame[13] = 0xb6;
    stream(handle, atoi(argv[2]));
    return 0;
}
