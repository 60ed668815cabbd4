/*
 * `refusing bpf|xdp ERRNO PROGRAM [ARG…]`: runs a program whose bpf(2), or whose AF_XDP sockets, fail with this error, as a sandbox
 * has it.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AF_XDP
#define AF_XDP 44
#endif
/* The half of a system call's first argument that has the number. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FIRST offsetof(struct seccomp_data, args[0])
#else
#define FIRST (offsetof(struct seccomp_data, args[0]) + 4)
#endif

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    unsigned refuse = SECCOMP_RET_ERRNO | (unsigned)atoi(argv[2]);
    struct sock_filter bpf[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, refuse),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_filter xdp[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIRST),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_XDP, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, refuse),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof bpf / sizeof *bpf, bpf };
    if (strcmp(argv[1], "xdp") == 0)
        program = (struct sock_fprog) { sizeof xdp / sizeof *xdp, xdp };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        fprintf(stderr, "seccomp: %s\n", strerror(errno));
        return 3;
    }
    execv(argv[3], argv + 3);
    fprintf(stderr, "%s: %s\n", argv[3], strerror(errno));
    return 4;
}
