/* CommonMark with tables and strikethrough, by cmark-gfm, whose HTML goes through the cleaner.
 *
 * Bare addresses are not made into links (the autolink extension): in Chinese no blank ends an
 * address, so the full stop behind it would become part of it.
 *
 * cmark-gfm 0.29.0.gfm.6 (Debian 12) takes quadratic time for some inputs, multiplies others
 * without bound (a table's missing cells, a long address used by many links) and ends the process
 * where memory is short. So what nobody writes is found first, and it runs on an allocator with a
 * limit, out of which we jump: it is not able to hear no. */
#include <errno.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm-extension_api.h>
#include <cmark-gfm.h>

#include "core/content_read.h"
#include "core/memory.h"

#define MEMORY_MAX ((size_t) 128 << 20)

/* Each of these took 256 KiB of input past one second, some past a minute, without a limit. */
#define DEPTH_MAX 100        /* containers that one line opens or continues */
#define CELLS_MAX 512        /* "|" in one line */
#define BRACKETS_MAX 4096    /* "[" without an empty line between them */
#define INSTRUCTIONS_MAX 256 /* "<?" and "<!" but for comments */

/* -- an allocator with a limit -- */

union block {
        struct {
                union block *next, *before;
                size_t n_bytes;
        } head;
        max_align_t align;
};

/* One at a time: this process has one thread. */
static struct {
        union block *first;
        size_t used;
        int error;
        jmp_buf escape;
} kitchen;

static void give_up(int error) {
        kitchen.error = error;
        longjmp(kitchen.escape, 1);
}

static void link_block(union block *block, size_t n_bytes) {
        block->head.n_bytes = n_bytes;
        block->head.before = NULL;
        block->head.next = kitchen.first;
        if (kitchen.first)
                kitchen.first->head.before = block;
        kitchen.first = block;
        kitchen.used += n_bytes + sizeof(*block);
}

static void unlink_block(union block *block) {
        if (block->head.before)
                block->head.before->head.next = block->head.next;
        else
                kitchen.first = block->head.next;
        if (block->head.next)
                block->head.next->head.before = block->head.before;
        kitchen.used -= block->head.n_bytes + sizeof(*block);
}

static void check_room(size_t n_bytes) {
        if (n_bytes > MEMORY_MAX || kitchen.used + n_bytes > MEMORY_MAX)
                give_up(-EINVAL);
}

static void *kitchen_calloc(size_t n, size_t size) {
        union block *block;

        if (size && n > MEMORY_MAX / size)
                give_up(-EINVAL);
        check_room(n * size);
        block = calloc(1, sizeof(*block) + n * size);
        if (!block)
                give_up(-ENOMEM);
        link_block(block, n * size);
        return block + 1;
}

static void *kitchen_realloc(void *old, size_t n_bytes) {
        union block *block, *grown;
        size_t n_old;

        if (!old)
                return kitchen_calloc(1, n_bytes);
        block = (union block *) old - 1;
        n_old = block->head.n_bytes;
        check_room(n_bytes > n_old ? n_bytes - n_old : 0);
        unlink_block(block);
        grown = realloc(block, sizeof(*block) + n_bytes);
        if (!grown) {
                link_block(block, n_old);
                give_up(-ENOMEM);
        }
        link_block(grown, n_bytes);
        return grown + 1;
}

static void kitchen_free(void *old) {
        union block *block;

        if (!old)
                return;
        block = (union block *) old - 1;
        unlink_block(block);
        free(block);
}

static void clean_kitchen(void) {
        while (kitchen.first)
                kitchen_free(kitchen.first + 1);
}

/* -- what nobody writes -- */

static bool is_blank(const char *at, const char *end) {
        return at >= end || *at == ' ' || *at == '\t' || *at == '\r' || *at == '\n';
}

/* How many block quotes and lists the line at `at` may stand in: its marks, and two columns of
 * blanks for each list that it continues. */
static size_t line_depth(const char *at, const char *end) {
        size_t marks = 0, columns = 0;

        for (; at < end && *at != '\n'; at++) {
                const char *digit = at;

                if (*at == ' ' || *at == '\t') {
                        columns += *at == ' ' ? 1 : 4;
                        continue;
                }
                while (digit < end && digit - at < 9 && *digit >= '0' && *digit <= '9')
                        digit++;
                if (digit > at && digit < end && (*digit == '.' || *digit == ')'))
                        at = digit;
                else if (*at != '>' && *at != '-' && *at != '+' && *at != '*')
                        break;
                if (*at != '>' && !is_blank(at + 1, end))
                        break;
                marks++;
        }
        return !marks && is_blank(at, end) ? 0 : marks + columns / 2;
}

static bool is_plausible(const char *source, size_t n_bytes) {
        size_t cells = 0, brackets = 0, instructions = 0;
        bool empty_line = true;

        if (line_depth(source, source + n_bytes) > DEPTH_MAX)
                return false;
        for (size_t i = 0; i < n_bytes; i++) {
                char next = i + 1 < n_bytes ? source[i + 1] : '\0';

                switch (source[i]) {
                case '\n':
                        cells = 0;
                        if (empty_line)
                                brackets = 0;
                        empty_line = true;
                        if (line_depth(source + i + 1, source + n_bytes) > DEPTH_MAX)
                                return false;
                        continue;
                case ' ':
                case '\t':
                case '\r':
                        continue;
                case '|':
                        cells++;
                        break;
                case '[':
                        brackets++;
                        break;
                case '<':
                        instructions += next == '?' ||
                                        (next == '!' && i + 2 < n_bytes && source[i + 2] != '-');
                        break;
                default:
                        break;
                }
                empty_line = false;
                if (cells > CELLS_MAX || brackets > BRACKETS_MAX || instructions > INSTRUCTIONS_MAX)
                        return false;
        }
        return true;
}

static char *cook(const char *source, size_t n_bytes) {
        static cmark_mem memory = { kitchen_calloc, kitchen_realloc, kitchen_free };
        static const char *const extensions[] = { "table", "strikethrough" };
        cmark_parser *parser = cmark_parser_new_with_mem(CMARK_OPT_UNSAFE, &memory);

        for (size_t i = 0; i < ELEMENTS(extensions); i++) {
                cmark_syntax_extension *extension = cmark_find_syntax_extension(extensions[i]);

                if (extension)
                        (void) cmark_parser_attach_syntax_extension(parser, extension);
        }
        cmark_parser_feed(parser, source, n_bytes);
        /* UNSAFE: raw HTML comes through, for our cleaner. */
        return cmark_render_html_with_mem(cmark_parser_finish(parser), CMARK_OPT_UNSAFE, NULL,
                                          &memory);
}

int content_read_markdown(struct reading *reading, const char *source, size_t n_bytes) {
        if (!is_plausible(source, n_bytes))
                return -EINVAL;

        cmark_gfm_core_extensions_ensure_registered();
        kitchen.error = 0;
        if (setjmp(kitchen.escape) == 0) {
                const char *html = cook(source, n_bytes);

                content_read_html(reading, html, strlen(html));
        }
        clean_kitchen(); /* tree, parser, HTML and what it jumped out of */
        return kitchen.error;
}
