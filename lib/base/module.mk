sources := buf.c log.c num.c str.c why.c xalloc.c
uses :=
