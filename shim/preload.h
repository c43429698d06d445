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
/* Is envp to be changed for a program that is executed now? */
bool preload_lacks(char *const envp[]);
/* How long an array is needed for what preload_fill() makes of it, NULL counted. */
size_t preload_room(char *const envp[]);
void preload_fill(char **out, char *const envp[]);

#endif
