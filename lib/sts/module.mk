sources := sts.c
uses := base
