sources := decode.c html.c walk.c
uses := base mail
