sources := access_file.c verify.c lockout.c
uses := base ev net
