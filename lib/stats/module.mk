sources := stats.c metrics.c
uses := base ipc
