/* The function library goes into the program as its parts stand in the tree, in this order. */
#include "core/embed.h"

EMBED_FILES(store_lua, EMBED_FILE("core/store.lua") EMBED_FILE("core/store_document.lua")
                               EMBED_FILE("core/store_place.lua") EMBED_FILE("core/store_accept.lua")
                               EMBED_FILE("core/store_work.lua") EMBED_FILE("core/store_gate.lua")
                               EMBED_FILE("core/store_people.lua") EMBED_FILE("core/store_book.lua")
                               EMBED_FILE("core/store_screens.lua") EMBED_FILE("core/store_views.lua")
                               EMBED_FILE("core/store_ledger.lua"));
