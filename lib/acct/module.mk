sources := csv.c fields.c layout.c
uses := base net
