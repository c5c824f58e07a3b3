sources := address.c codes.c complaint.c head.c human.c remote.c status.c text.c
uses := base mail mime smtp
