sources := read.c
uses := base
