sources := entry.c filter.c hashes.c suppress.c
uses := base kv
