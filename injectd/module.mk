sources := commands.c conn.c content.c data.c envelope.c head.c intake.c listen.c main.c session.c space.c stop.c txn.c vmta.c \
	   world.c
uses := base conf daemon ev ipc mail net smtp spool stats
program := libexec/posthaste/injectd
