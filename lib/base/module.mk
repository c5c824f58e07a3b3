sources := buf.c disk.c hmap.c io.c log.c num.c regex.c slab.c str.c why.c xalloc.c
uses :=
