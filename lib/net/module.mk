sources := addr.c
uses := base
