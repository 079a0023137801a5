/* The part of ONNX Runtime's C interface that tag.c uses, by the order of its table, which only ever grows. Where the
 * library's own header is at hand, compile with -DORT_HEADER: tag.c reads the same. */
#ifdef ORT_HEADER
#include <onnxruntime_c_api.h>
#else
#include <stddef.h>
#include <stdint.h>
#define ORT_API_VERSION 1
typedef struct OrtStatus OrtStatus;
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtValue OrtValue;
typedef struct OrtMemoryInfo OrtMemoryInfo;
enum { ORT_LOGGING_LEVEL_ERROR = 3, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 = 6, OrtArenaAllocator = 1, OrtMemTypeDefault = 0 };
typedef struct OrtApi {
  void *before_0[2];
  const char *(*GetErrorMessage)(const OrtStatus *);
  OrtStatus *(*CreateEnv)(int level, const char *name, OrtEnv **out);
  void *before_4[3];
  OrtStatus *(*CreateSession)(const OrtEnv *, const char *path, const OrtSessionOptions *, OrtSession **out);
  void *before_8;
  OrtStatus *(*Run)(OrtSession *, const OrtRunOptions *, const char *const *input_names, const OrtValue *const *inputs,
                    size_t input_count, const char *const *output_names, size_t output_count, OrtValue **outputs);
  OrtStatus *(*CreateSessionOptions)(OrtSessionOptions **out);
  void *before_11[38];
  OrtStatus *(*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo *, void *data, size_t bytes, const int64_t *shape,
                                               size_t axes, int type, OrtValue **out);
  void *before_50;
  OrtStatus *(*GetTensorMutableData)(OrtValue *, void **out);
  void *before_52;
  OrtStatus *(*GetStringTensorDataLength)(const OrtValue *, size_t *out);
  OrtStatus *(*GetStringTensorContent)(const OrtValue *, void *text, size_t bytes, size_t *offsets, size_t count);
  void *before_55[14];
  OrtStatus *(*CreateCpuMemoryInfo)(int allocator, int type, OrtMemoryInfo **out);
} OrtApi;
typedef struct { const OrtApi *(*GetApi)(uint32_t version); const char *(*GetVersionString)(void); } OrtApiBase;
const OrtApiBase *OrtGetApiBase(void);
#endif
