/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_zxcvbn.h
 * @brief How soon a password is guessed, by zxcvbn: it knows tens of thousands
 * of common passwords, names and words, dates, keyboard rows and repetitions.
 */
#ifndef WA_ZXCVBN_H
#define WA_ZXCVBN_H

/** What it takes to guess a password: milliseconds of the processor at most,
 * for 256 bytes.
 * @param words that are guessed first here, upper and lower case alike;
 *        NULL-terminated
 * @return the binary logarithm of the number of guesses, 0 for ""; it is 0 too
 *         when memory is short */
double wa_zxcvbn_bits(const char *password, const char *const *words);

#endif
