sources := main.c client.c secure.c letter.c
uses := ev net base
program := tests/inject
