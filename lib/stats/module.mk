sources := stats.c
uses := base
