sources := addresses.c alias.c args.c blk.c check.c conf.c distance.c get.c lex.c listener.c macro.c mem.c message.c names.c \
	   parse.c print.c queue_match.c read.c relay.c replies.c set.c snapshot.c source_match.c syntax.c table.c tail.c tag.c translate.c \
	   units.c value.c vmta.c
uses := base net
