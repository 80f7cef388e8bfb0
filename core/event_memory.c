/* Memory for the values that event_read() makes.
 *
 * An event is fifty small pieces of memory that come together, and go together before the next one is
 * read: malloc() and free() were a tenth of what an event costs the door. So they lie in one room, each
 * behind the one before, and the room is empty again when the last of them has gone. What does not fit,
 * and whatever else jansson asks for, comes from malloc(); json_dumps() and its like give what free()
 * takes, as ever. */
#include <stddef.h>
#include <stdlib.h>

#include "core/event_reader.h"

enum { ROOM_BYTES = 64 << 10, MOST_BYTES = 16 << 10 /* of one piece */ };

static struct {
        max_align_t bytes[ROOM_BYTES / sizeof(max_align_t)];
        size_t used, n_alive;
        bool is_open;
} room;

static void *take(size_t n) {
        size_t whole = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
        void *piece = (char *) room.bytes + room.used;

        if (!room.is_open || n > MOST_BYTES || whole > ROOM_BYTES - room.used)
                return malloc(n);
        room.used += whole;
        room.n_alive++;
        return piece;
}

static void give(void *piece) {
        if ((uintptr_t) piece - (uintptr_t) room.bytes >= ROOM_BYTES)
                free(piece);
        else if (--room.n_alive == 0)
                room.used = 0;
}

void event_memory_use(void) {
        json_set_alloc_funcs(take, give);
}

/* What somebody still holds keeps the room as it is: its place behind it is used, and then malloc(). */
void event_memory_open(void) {
        room.is_open = true;
}

void event_memory_close(void) {
        room.is_open = false;
}
