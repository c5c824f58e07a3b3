sources := entry.c filter.c suppress.c
uses := base kv
