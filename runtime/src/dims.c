/* The texts of dimensions: expressions of symbols. */
#include "internal.h"

#include <string.h>

/* Where the word at `at` ends: a name between quotes, with its quotes, or letters and digits. */
static const char *word_end(const char *at) {
  static const char *const word =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
  if (*at != '"')
    return at + strspn(at, word);
  for (++at; *at && *at != '"'; ++at)
    if (*at == '\\' && at[1])
      ++at;
  return *at ? at + 1 : at;
}

/* Names that are not plain words are written between quotes, with backslashes before quotes and
 * backslashes; other characters of theirs stand for themselves or are not printable. */
static bool is_name(const char *word, const char *end, const char *name) {
  bool quoted = *word == '"';
  word += quoted;
  end -= quoted;
  for (; word < end && *name; ++word, ++name) {
    if (quoted && *word == '\\')
      ++word;
    if (*word != *name)
      return false;
  }
  return word == end && !*name;
}

bool qcc_dim_mentions(const char *text, const char *symbol) {
  while (*text) {
    const char *end = word_end(text);
    if (end == text)
      ++text;
    else if (is_name(text, end, symbol))
      return true;
    else
      text = end;
  }
  return false;
}
