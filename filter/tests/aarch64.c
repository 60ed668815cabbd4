/* Runs machine code made for aarch64: reads functions and packets from standard input, writes the results to standard output.
 *
 * Per function: its length, its bytes, the length of the program that it may check, its bytes, the number of packets, and for each:
 * captured length, length on the wire, bytes. Numbers are 32 bits, little-endian; results are 64. Every packet and every program ends
 * at a page that can't be read. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LONGEST = 1 << 21, PAGE = 1 << 16 };

static int number(uint32_t *n) { return fread(n, sizeof *n, 1, stdin) == 1; }

static void must(int holds) {
    if (!holds) {
        perror("aarch64");
        exit(1);
    }
}

int main(void) {
    unsigned char *code = mmap(0, LONGEST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char *pages = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char *insns = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(code != MAP_FAILED && pages != MAP_FAILED && mprotect(pages + PAGE, PAGE, PROT_NONE) == 0);
    must(insns != MAP_FAILED && mprotect(insns + PAGE, PAGE, PROT_NONE) == 0);
    uint32_t len, size, packets;
    while (number(&len)) {
        must(len <= LONGEST && mprotect(code, LONGEST, PROT_READ | PROT_WRITE) == 0);
        must(fread(code, 1, len, stdin) == len && number(&size) && size <= PAGE);
        unsigned char *program = insns + PAGE - size;
        must(fread(program, 1, size, stdin) == size && number(&packets));
        must(mprotect(code, LONGEST, PROT_READ | PROT_EXEC) == 0);
        __builtin___clear_cache((char *)code, (char *)code + len);
        uint64_t (*run)(const unsigned char *, size_t, uint32_t, const unsigned char *);
        memcpy(&run, &code, sizeof run);
        while (packets--) {
            uint32_t caplen, wirelen;
            must(number(&caplen) && number(&wirelen) && caplen <= PAGE);
            unsigned char *packet = pages + PAGE - caplen;
            must(fread(packet, 1, caplen, stdin) == caplen);
            uint64_t result = run(packet, caplen, wirelen, program);
            must(fwrite(&result, sizeof result, 1, stdout) == 1);
        }
    }
    return 0;
}
