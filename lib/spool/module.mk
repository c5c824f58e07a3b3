sources := $(notdir $(wildcard lib/spool/*.c))
uses := base ev net stats
