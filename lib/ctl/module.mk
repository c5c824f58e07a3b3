sources := commands.c
uses := base
