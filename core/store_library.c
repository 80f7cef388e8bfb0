/* The function library goes into the program as it stands in the tree. */
#include "core/embed.h"

EMBED(store_lua, "core/store.lua");
