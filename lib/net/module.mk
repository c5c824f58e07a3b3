sources := addr.c tlsa.c
uses := base
