/*
 * Frames that say what they are: a sequence number, a sender and a checksum over every byte, so that a frame that was
 * never sent, was sent twice, or was changed on the way is told from a good one.
 *
 * Layout after the Ethernet header (type 0x88b5, local experiments), numbers in the machine's order:
 *   14 magic  18 length of the frame  22 sender  26 sequence  30 checksum  34 filler made from the sequence
 */
#ifndef COMPAT_FRAMES_H
#define COMPAT_FRAMES_H

#include <stdint.h>
#include <string.h>

#define FRAME_MIN 60
#define FRAME_MAX 65535
#define FRAME_MAGIC 0x6d61726eu

struct frame_id {
    uint32_t sender;
    uint32_t sequence;
};

static inline uint32_t frame_word(const unsigned char *frame, size_t at)
{
    uint32_t word;
    memcpy(&word, frame + at, sizeof word);
    return word;
}

static inline void frame_put(unsigned char *frame, size_t at, uint32_t word)
{
    memcpy(frame + at, &word, sizeof word);
}

/* FNV-1a over all bytes but the checksum itself, four at a time while there are four. */
static inline uint32_t frame_sum(const unsigned char *frame, size_t len)
{
    uint32_t sum = 2166136261u;
    size_t i = 0;
    for (; i + 4 <= len; i += 4)
        sum = (sum ^ (i == 28 ? (frame_word(frame, 28) & 0xffffu) : i == 32 ? (frame_word(frame, 32) & 0xffff0000u)
                                                                            : frame_word(frame, i))) *
              16777619u;
    for (; i < len; i++)
        sum = (sum ^ frame[i]) * 16777619u;
    return sum;
}

/* Writes a broadcast frame of `len` bytes (FRAME_MIN to FRAME_MAX). */
static inline void frame_fill(unsigned char *frame, size_t len, uint32_t sender, uint32_t sequence)
{
    uint32_t filler = sequence * 2654435761u + sender;
    memset(frame, 0xff, 6);
    frame[6] = 2;
    frame[7] = frame[8] = 0;
    frame[9] = (unsigned char)(sender >> 16);
    frame[10] = (unsigned char)(sender >> 8);
    frame[11] = (unsigned char)sender;
    frame[12] = 0x88;
    frame[13] = 0xb5;
    frame_put(frame, 14, FRAME_MAGIC);
    frame_put(frame, 18, (uint32_t)len);
    frame_put(frame, 22, sender);
    frame_put(frame, 26, sequence);
    for (size_t i = 34; i < len; i++) {
        filler = filler * 1664525u + 1013904223u;
        frame[i] = (unsigned char)(filler >> 24);
    }
    frame_put(frame, 30, frame_sum(frame, len));
}

/* NULL when the frame is as frame_fill made it, else what is wrong with it. */
static inline const char *frame_fault(const unsigned char *frame, size_t caplen, size_t len, struct frame_id *id)
{
    if (caplen < 34)
        return "shorter than the header of a test frame";
    if (frame_word(frame, 14) != FRAME_MAGIC)
        return "not a test frame";
    id->sender = frame_word(frame, 22);
    id->sequence = frame_word(frame, 26);
    if (frame_word(frame, 18) != len)
        return "another length than it was sent with";
    if (caplen == len && frame_word(frame, 30) != frame_sum(frame, len))
        return "wrong checksum";
    return NULL;
}

#endif
