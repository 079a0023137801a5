// Tags one sentence a line, tokens separated by spaces, through ONNX Runtime's C interface:   mono Tag.exe MODEL < text
// With the package Microsoft.ML.OnnxRuntime it is a session.Run of one DenseTensor<int>: see docs/hosts.md.
using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
static class Tag {
  const string OFF = "ORT_DISABLE_TELEMETRY"; [DllImport("libc")] static extern int setenv(string name, string value, int replace);   // Unix: .NET's own stays inside
  [DllImport("onnxruntime")] static extern IntPtr OrtGetApiBase();
  delegate IntPtr GetApi(uint version); delegate IntPtr GetText(IntPtr status);
  delegate IntPtr CreateEnv(int level, string name, out IntPtr env);
  delegate IntPtr CreateSession(IntPtr env, byte[] path, IntPtr options, out IntPtr session);
  delegate IntPtr Create(out IntPtr created); delegate IntPtr CreateMemory(int allocator, int type, out IntPtr memory);
  delegate IntPtr CreateTensor(IntPtr memory, IntPtr data, UIntPtr bytes, long[] shape, UIntPtr axes, int type, out IntPtr value);
  delegate IntPtr Run(IntPtr session, IntPtr options, string[] inputs, IntPtr[] values, UIntPtr count, string[] outputs, UIntPtr wanted, [In, Out] IntPtr[] found);
  delegate IntPtr GetPointer(IntPtr value, out IntPtr data); delegate IntPtr GetContent(IntPtr value, byte[] text, UIntPtr bytes, [Out] UIntPtr[] starts, UIntPtr count);

  static IntPtr api;   // the functions stand in a table whose order never changes
  static T At<T>(IntPtr table, int place) { return Marshal.GetDelegateForFunctionPointer<T>(Marshal.ReadIntPtr(table, place * IntPtr.Size)); }
  static void Check(IntPtr status) { if (status != IntPtr.Zero) throw new Exception(Marshal.PtrToStringAnsi(At<GetText>(api, 2)(status))); }
  // A char is a UTF-16 unit; a character beyond the BMP has two.
  static int[] CodePoints(string text) {
    var codes = new List<int>();
    for (int i = 0; i < text.Length; i += char.IsSurrogatePair(text, i) ? 2 : 1)
      codes.Add(char.IsSurrogatePair(text, i) ? char.ConvertToUtf32(text, i) : text[i]);
    return codes.ToArray();
  }

  static void Main(string[] arguments) {
    Environment.SetEnvironmentVariable(OFF, "1"); if (Path.DirectorySeparatorChar == '/') setenv(OFF, "1", 1);   // before the library loads
    api = At<GetApi>(OrtGetApiBase(), 0)(1);
    IntPtr env, options, session, memory;
    Check(At<CreateEnv>(api, 3)(3, "tag", out env)); Check(At<Create>(api, 10)(out options));
    Check(At<CreateSession>(api, 7)(env, Encoding.UTF8.GetBytes(arguments[0] + "\0"), options, out session));
    Check(At<CreateMemory>(api, 69)(1, 0, out memory));
    var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { NewLine = "\n" };
    var input = new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(false));
    var lines = new List<string>(input.ReadToEnd().Split('\n'));   // ReadLine would also end a line at a lone '\r'
    if (lines[lines.Count - 1] == "") lines.RemoveAt(lines.Count - 1);
    foreach (var whole in lines) {
      var line = whole.EndsWith("\r", StringComparison.Ordinal) ? whole.Substring(0, whole.Length - 1) : whole;
      var codes = CodePoints(line);
      var held = GCHandle.Alloc(codes, GCHandleType.Pinned);   // the tensor is a view on the array
      var found = new IntPtr[2]; IntPtr text, length;
      Check(At<CreateTensor>(api, 49)(memory, held.AddrOfPinnedObject(), (UIntPtr)(codes.Length * 4), new long[] {1, codes.Length}, (UIntPtr)2, 6, out text));
      Check(At<Run>(api, 9)(session, IntPtr.Zero, new[] {"text"}, new[] {text}, (UIntPtr)1, new[] {"labels", "lengths"}, (UIntPtr)2, found));
      Check(At<GetPointer>(api, 51)(found[1], out length));
      int tokens = (int)Math.Max(1, Marshal.ReadInt64(length)); IntPtr bytes;
      Check(At<GetPointer>(api, 53)(found[0], out bytes));
      var labels = new byte[(int)bytes + 1]; var starts = new UIntPtr[tokens + 1];
      Check(At<GetContent>(api, 54)(found[0], labels, (UIntPtr)(long)bytes, starts, (UIntPtr)tokens));
      starts[tokens] = (UIntPtr)(long)bytes; int place = 0;
      foreach (var token in line.Split(new[] {' '}, StringSplitOptions.RemoveEmptyEntries))
        output.WriteLine(token + "\t" + Encoding.UTF8.GetString(labels, (int)starts[place], (int)starts[++place] - (int)starts[place - 1]));
      output.WriteLine(); held.Free();   // a longer-lived program also releases the values
    }
    output.Flush();
  } }
