sources := buf.c hmap.c log.c num.c slab.c str.c why.c xalloc.c
uses :=
