sources := context.c spec.c
uses := base conf
