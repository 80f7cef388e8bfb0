#include "daemons/ledgerd/touched.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

static struct touched **bucket_of(struct touched_list *list, const char *region, const char *document) {
        uint32_t hash = 2166136261u;

        for (const char *at = region; *at; at++)
                hash = (hash ^ (unsigned char) *at) * 16777619u;
        for (const char *at = document; *at; at++)
                hash = (hash ^ (unsigned char) *at) * 16777619u;
        return &list->buckets[(hash ^ hash >> 16) % TOUCHED_BUCKETS];
}

static void take_out(struct touched_list *list, struct touched *touched) {
        if (touched->before)
                touched->before->next = touched->next;
        else
                list->first = touched->next;
        if (touched->next)
                touched->next->before = touched->before;
        else
                list->last = touched->before;
}

static void append(struct touched_list *list, struct touched *touched) {
        touched->at_ms = clock_boot_ms();
        touched->next = NULL;
        touched->before = list->last;
        if (list->last)
                list->last->next = touched;
        else
                list->first = touched;
        list->last = touched;
}

void touched_add(struct touched_list *list, const char *region, const char *document) {
        struct touched **bucket = bucket_of(list, region, document), *touched;
        size_t n = strlen(document);

        for (touched = *bucket; touched; touched = touched->next_in_bucket)
                if (strcmp(touched->document, document) == 0 && strcmp(touched->region, region) == 0)
                        break;
        if (touched)
                take_out(list, touched);
        else {
                touched = malloc(sizeof(*touched) + n + 1);
                if (!touched || strlen(region) >= sizeof(touched->region)) {
                        free(touched);
                        return;
                }
                memcpy(touched->document, document, n + 1);
                memcpy(touched->region, region, strlen(region) + 1);
                touched->next_in_bucket = *bucket;
                *bucket = touched;
        }
        append(list, touched);
}

void touched_drop(struct touched_list *list, struct touched *touched) {
        struct touched **at = bucket_of(list, touched->region, touched->document);

        while (*at != touched)
                at = &(*at)->next_in_bucket;
        *at = touched->next_in_bucket;
        take_out(list, touched);
        free(touched);
}
