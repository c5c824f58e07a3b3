sources := main.c policy.c policy_use.c auth.c token.c table64.c provider.c rule.c count.c stats.c session.c answer.c message.c conn.c tls.c names.c \
	   names_reply.c control.c
uses := ev net base
program := tests/mxsim
