sources := macro.c query.c spf.c term.c
uses := base net
