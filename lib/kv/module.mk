sources := kv.c
uses := base
