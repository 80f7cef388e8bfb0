/* gongkai-emit: hands events to the door from files, pipes and shared folders. */
#include <signal.h>

#include "client/emit.h"

int main(int argc, char **argv) {
        struct emit_options options;
        int code;

        messages_set_language_from_environment();
        (void) signal(SIGPIPE, SIG_IGN); /* a closed pipe is told by write(2) */
        if (options_read(argc, argv, &options, &code)) {
                if (options.watch)
                        code = emit_watch(&options);
                else if (options.status_of || options.asks_receipts)
                        code = emit_query(&options);
                else
                        code = emit_send(&options);
        }
        options_done(&options);
        return code;
}
