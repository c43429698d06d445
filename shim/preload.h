/* preload.h - a program that inherits sockets of ours also gets the library.
 *
 * Some daemons make up the environment of what they execute (nginx does when it
 * upgrades itself), and with it go LD_PRELOAD and the settings. A program without
 * sockets of ours is left alone: who takes LD_PRELOAD out means it.
 */
#ifndef MYTCP_PRELOAD_H
#define MYTCP_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

/* When the library is loaded: keeps what brought it here. */
void preload_remember(void);
/* Is the library to come to a program that is executed now with envp, because that
 * says so? */
bool preload_asks(char *const envp[]);
/* Or because it inherits sockets? Then envp is to be changed. */
bool preload_lacks(char *const envp[]);
/* Does a program that is executed now inherit a socket of ours? */
bool preload_hands_on_sockets(void);
/* What envp, or else what the process was started with, says of a setting ("NAME="):
 * the value, or NULL. */
const char *preload_setting(char *const envp[], const char *name);
/* How long an array is needed for what preload_fill() or preload_strip() makes of it,
 * NULL counted. */
size_t preload_room(char *const envp[]);
void preload_fill(char **out, char *const envp[]);
/* envp without LD_PRELOAD. */
void preload_strip(char **out, char *const envp[]);

#endif
