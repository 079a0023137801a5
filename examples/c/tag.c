/* Tags one sentence a line, tokens separated by spaces:   ./tag MODEL < sentences.txt
 * cc tag.c -o tag -L DIR -l:libonnxruntime.so.1 -Wl,-rpath,DIR, DIR being where that library is (ort.h: its header) */
#define _POSIX_C_SOURCE 200809L /* getline */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ort.h"
static const OrtApi *ort;
static void check(OrtStatus *status) {
  if (status) { fprintf(stderr, "%s\n", ort->GetErrorMessage(status)); exit(1); }
}

/* Writes the code points of UTF-8 text, and returns how many there are. */
static size_t code_points(const char *text, int32_t *out) {
  size_t count = 0;
  for (const unsigned char *c = (const unsigned char *)text; *c;) {
    int more = *c >= 0xF0 ? 3 : *c >= 0xE0 ? 2 : *c >= 0xC0 ? 1 : 0;
    int32_t code = more ? *c & (0x3F >> more) : *c;
    for (c++; more && (*c & 0xC0) == 0x80; more--) code = code << 6 | (*c++ & 0x3F);
    out[count++] = code;
  }
  return count;
}

static void tag(OrtSession *session, OrtMemoryInfo *memory, char *sentence) {
  int32_t *codes = malloc((strlen(sentence) + 1) * sizeof *codes);
  int64_t shape[2] = {1, (int64_t)code_points(sentence, codes)}, *length;
  const char *inputs[] = {"text"}, *outputs[] = {"labels", "lengths"};
  OrtValue *text = NULL, *found[2] = {NULL, NULL};
  check(ort->CreateTensorWithDataAsOrtValue(memory, codes, (size_t)shape[1] * sizeof *codes, shape, 2,
                                            ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, &text));
  check(ort->Run(session, NULL, inputs, (const OrtValue *const *)&text, 1, outputs, 2, found));
  check(ort->GetTensorMutableData(found[1], (void **)&length));
  size_t bytes, tokens = *length ? (size_t)*length : 1, token = 0; /* a sentence without tokens has one empty label */
  check(ort->GetStringTensorDataLength(found[0], &bytes));
  char *labels = malloc(bytes + 1);
  size_t *starts = malloc((tokens + 1) * sizeof *starts);
  check(ort->GetStringTensorContent(found[0], labels, bytes, starts, tokens)), starts[tokens] = bytes;
  for (char *word = strtok(sentence, " "); word; word = strtok(NULL, " "), token++)
    printf("%s\t%.*s\n", word, (int)(starts[token + 1] - starts[token]), labels + starts[token]);
  putchar('\n');
  free(codes), free(labels), free(starts); /* a longer-lived program also calls ort->ReleaseValue */
}

int main(int count, char **arguments) {
  OrtEnv *env; OrtSessionOptions *options; OrtSession *session; OrtMemoryInfo *memory;
  char *line = NULL; size_t room = 0;
  if (count != 2) return fprintf(stderr, "usage: %s MODEL < sentences\n", arguments[0]), 2;
  setenv("ORT_DISABLE_TELEMETRY", "1", 1); /* before CreateEnv; on Windows _putenv_s */
  ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  check(ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "tag", &env));
  check(ort->CreateSessionOptions(&options));
  check(ort->CreateSession(env, arguments[1], options, &session));
  check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
  for (ssize_t size; (size = getline(&line, &room, stdin)) > 0; tag(session, memory, line)) {
    if (line[size - 1] == '\n') line[--size] = 0;
    if (size && line[size - 1] == '\r') line[--size] = 0;
  }
}
