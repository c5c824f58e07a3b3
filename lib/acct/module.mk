sources := csv.c fields.c layout.c pairs.c
uses := base net
