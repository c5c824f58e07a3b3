sources := client.c common.c context.c spec.c
uses := base conf
