sources := envid.c given.c seal.c verp.c
uses := base
