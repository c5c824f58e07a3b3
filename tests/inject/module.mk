sources := main.c client.c letter.c
uses := ev net base
program := tests/inject
