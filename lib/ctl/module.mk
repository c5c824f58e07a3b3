sources := commands.c tree.c tree_nested.c
uses := base
