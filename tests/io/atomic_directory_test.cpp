// SPDX-License-Identifier: MIT
// A model directory is replaced whole or not at all, also by a writer that is killed; and no stranger's file is lost.
#include "io/atomic_directory.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>

#include "support/files.hpp"

#ifdef __linux__
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#endif

namespace ttt::detail {
namespace {

namespace fs = std::filesystem;
using support::contains;
using support::error_of;
using support::get;
using support::names_in;
using support::put;
using support::TemporaryDirectory;

using Files = std::map<std::string, std::string>;

/// Two models with different files, and with different content in those that both have.
const Files& model_a() {
  static const Files files = {{"config.json", "A"}, {"model.safetensors", std::string(100'000, 'a')}};
  return files;
}

const Files& model_b() {
  static const Files files = {{"config.json", "B"},
                              {"model-00001-of-00002.safetensors", std::string(50'000, 'b')},
                              {"model-00002-of-00002.safetensors", std::string(50'000, 'c')},
                              {"model.safetensors.index.json", "index"},
                              {"training.json", "step"}};
  return files;
}

/// By path, in directories too.
Files files_in(const fs::path& directory) {
  Files files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory)) {
    const std::string name = entry.path().lexically_relative(directory).string();
    if (entry.is_regular_file()) files[name] = get(entry.path());
  }
  return files;
}

/// What is not a model's in a model directory.
const Files& others() {
  static const Files files = {
      {"tokenizer.json", "T"}, {"config.json~", "c"}, {".git/HEAD", "h"}, {".git/objects/00/1", "o"}, {"part~", "p"}};
  return files;
}

void put_all(const fs::path& directory, const Files& files) {
  for (const auto& [name, content] : files) {
    fs::create_directories((directory / name).parent_path());
    put(directory / name, content);
  }
}

Files operator+(Files a, const Files& b) {
  a.insert(b.begin(), b.end());
  return a;
}

void save(const fs::path& path, const Files& files) {
  AtomicDirectory directory(path);
  for (const auto& [name, content] : files) write_text(directory.path() / name, content);
  directory.commit();
}

class AtomicDirectoryTest : public ::testing::Test {
 protected:
  const fs::path& parent() const { return directory_.path(); }
  fs::path model() const { return parent() / "model"; }

 private:
  TemporaryDirectory directory_;
};

/// Runs `child` in a process of its own, which ends with 0 if that returns true.
template <class Child>
pid_t start(const Child& child) {
  const pid_t id = ::fork();
  if (id != 0) return id;
  try {
    ::_exit(child() ? 0 : 1);
  } catch (...) {
    ::_exit(2);
  }
}

int wait_for(pid_t child) {
  int status = 0;
  return ::waitpid(child, &status, 0) == child ? status : -1;
}

/// Makes the exchange of directories fail in this process, as on a file system or kernel that does not have it.
bool forbid_exchange() {
#ifdef __linux__
  // The address of the lower half of a 64-bit argument, in a little-endian machine.
  constexpr auto flags = static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 4 * sizeof(std::uint64_t));
  constexpr auto number = static_cast<std::uint32_t>(offsetof(seccomp_data, nr));
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, flags),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RENAME_EXCHANGE, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {sizeof filter / sizeof *filter, filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
#else
  return true;
#endif
}

bool can_forbid_exchange() {
  return wait_for(start([] { return forbid_exchange(); })) == 0;
}

#ifdef __linux__
bool can_trace() {
  const pid_t child = start([] { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0; });
  return wait_for(child) == 0;
}
#endif

TEST_F(AtomicDirectoryTest, CreatesAndReplaces) {
  save(model(), model_a());
  EXPECT_EQ(files_in(model()), model_a());
  save(model(), model_b());
  EXPECT_EQ(files_in(model()), model_b());
  save(model(), {});
  EXPECT_EQ(files_in(model()), Files());
  save(model(), model_a());
  EXPECT_EQ(files_in(model()), model_a());
  EXPECT_EQ(names_in(parent()), std::set<std::string>{"model"});
}

TEST_F(AtomicDirectoryTest, ReplacesInTwoStepsWhereOneIsNotPossible) {
  if (!can_forbid_exchange()) GTEST_SKIP() << "needs seccomp";
  const pid_t child = start([&] {
    if (!forbid_exchange()) return false;
    save(model(), model_a());
    save(model(), model_b());
    if (files_in(model()) != model_b()) return false;
    save(model(), model_a());
    return true;
  });
  ASSERT_EQ(wait_for(child), 0);
  EXPECT_EQ(files_in(model()), model_a());
  EXPECT_EQ(names_in(parent()), std::set<std::string>{"model"});
}

TEST_F(AtomicDirectoryTest, WithoutCommitNothingChanges) {
  save(model(), model_a());
  {
    AtomicDirectory directory(model());
    write_text(directory.path() / "config.json", "half a model");
    EXPECT_EQ(files_in(model()), model_a());
  }
  EXPECT_EQ(files_in(model()), model_a());
  { AtomicDirectory directory(parent() / "other"); }
  EXPECT_EQ(names_in(parent()), std::set<std::string>{"model"});
}

TEST_F(AtomicDirectoryTest, FollowsPathsAsTheUserWroteThem) {
  save(model() / "", model_a());  // a slash at the end
  EXPECT_EQ(files_in(model()), model_a());
  save(parent() / "." / "model" / ".", model_b());
  EXPECT_EQ(files_in(model()), model_b());

  fs::create_directory(parent() / "elsewhere");
  fs::create_directory_symlink("elsewhere/real", parent() / "link");  // leads to nothing yet
  save(parent() / "link", model_a());
  EXPECT_EQ(files_in(parent() / "elsewhere" / "real"), model_a());
  save(parent() / "link" / "", model_b());
  EXPECT_EQ(files_in(parent() / "elsewhere" / "real"), model_b());
  EXPECT_TRUE(fs::is_symlink(parent() / "link"));
  EXPECT_EQ(names_in(parent()), (std::set<std::string>{"elsewhere", "link", "model"}));
  EXPECT_EQ(names_in(parent() / "elsewhere"), std::set<std::string>{"real"});

  const fs::path before = fs::current_path();
  fs::current_path(parent());
  save("model", model_a());
  save("./new", model_b());
  {
    AtomicDirectory directory("model/");
    fs::current_path(before);  // a relative path is meant as it was when the save began
    write_text(directory.path() / "config.json", "C");
    directory.commit();
  }
  EXPECT_EQ(files_in(model()), (Files{{"config.json", "C"}}));
  EXPECT_EQ(files_in(parent() / "new"), model_b());
}

TEST_F(AtomicDirectoryTest, KeepsPermissions) {
  save(model(), model_a());
  fs::permissions(model(), fs::perms(0750));
  save(model(), model_b());
  EXPECT_EQ(fs::status(model()).permissions(), fs::perms(0750));
}

TEST_F(AtomicDirectoryTest, CarriesOverWhatIsNotAModels) {
  save(model(), model_a());
  put_all(model(), others());
  fs::permissions(model() / ".git", fs::perms(0711));
  fs::create_symlink("tokenizer.json", model() / "link");
  fs::create_directory_symlink("/", model() / "link to a directory");
  fs::create_directory(model() / "empty");
  for (const Files& files : {model_b(), model_a(), Files()}) {
    save(model(), files);
    Files expected = files + others();
    expected["link"] = "T";
    EXPECT_EQ(files_in(model()), expected);
    EXPECT_EQ(fs::read_symlink(model() / "link"), "tokenizer.json");
    EXPECT_EQ(fs::read_symlink(model() / "link to a directory"), "/");
    EXPECT_TRUE(fs::is_empty(model() / "empty"));
    EXPECT_EQ(fs::status(model() / ".git").permissions(), fs::perms(0711));
  }
  EXPECT_EQ(names_in(parent()), std::set<std::string>{"model"});

  // A save that is given up takes nothing away.
  { AtomicDirectory directory(model()); }
  EXPECT_EQ(get(model() / "tokenizer.json"), "T");
  EXPECT_EQ(names_in(parent()), std::set<std::string>{"model"});
}

TEST_F(AtomicDirectoryTest, CarriesOverInTwoStepsToo) {
  if (!can_forbid_exchange()) GTEST_SKIP() << "needs seccomp";
  save(model(), model_a());
  put_all(model(), others());
  // A killed save's old directory, with a file that is nowhere else.
  put_all(parent() / "model.old~", {{"config.json", "old"}, {"notes.txt", "mine"}});
  ASSERT_EQ(wait_for(start([&] {
              if (!forbid_exchange()) return false;
              save(model(), model_b());
              return true;
            })),
            0);
  EXPECT_EQ(files_in(model()), model_b() + others());
  const std::set<std::string> names = names_in(parent());
  ASSERT_EQ(names.size(), 2u);
  EXPECT_EQ(files_in(parent() / *std::next(names.begin())), (Files{{"notes.txt", "mine"}}));
}

TEST_F(AtomicDirectoryTest, CarriesOverAFileThatComesWhileItWrites) {
  save(model(), model_a());
  AtomicDirectory directory(model());
  write_text(directory.path() / "config.json", "B");
  put(model() / "notes.txt", "mine");
  directory.commit();
  EXPECT_EQ(files_in(model()), (Files{{"config.json", "B"}, {"notes.txt", "mine"}}));
  EXPECT_EQ(names_in(parent()), std::set<std::string>{"model"});
}

TEST_F(AtomicDirectoryTest, KeepsAFileThatOnlyAKilledWriterHas) {
  save(model(), model_a());
  put(model() / "tokenizer.json", "T");
  const fs::path dead = parent() / "model.0123456789abcdef.new~";
  put_all(dead, {{"config.json", "dead"}, {"tokenizer.json", "another"}, {"a/notes.txt", "mine"}});
  fs::create_hard_link(model() / "tokenizer.json", dead / "a" / "tokenizer.json");
  save(model(), model_b());
  EXPECT_EQ(files_in(model()), model_b() + Files({{"tokenizer.json", "T"}}));
  EXPECT_EQ(files_in(dead), (Files{{"tokenizer.json", "another"}, {"a/notes.txt", "mine"}, {"a/tokenizer.json", "T"}}));
}

TEST_F(AtomicDirectoryTest, RefusesWhatItCannotReplace) {
  const auto error = [](const fs::path& path) { return error_of<CheckpointError>([&] { save(path, model_b()); }); };
  save(model(), model_a());
  fs::create_directory(model() / "model.d.safetensors");
  EXPECT_TRUE(contains(error(model()), "expected model.d.safetensors to be a file of a model, found a directory"));
  fs::rename(model() / "model.d.safetensors", model() / "optimizer.safetensors");
  EXPECT_TRUE(contains(error(model()), "expected optimizer.safetensors to be a file"));
  EXPECT_EQ(files_in(model()), model_a());

  put(parent() / "file", "mine");
  EXPECT_TRUE(contains(error(parent() / "file"), "file: expected a directory or nothing, found something else"));
  EXPECT_TRUE(contains(error(parent() / "file" / ""), "expected a directory or nothing"));
  EXPECT_EQ(get(parent() / "file"), "mine");
  EXPECT_EQ(names_in(parent()), (std::set<std::string>{"file", "model"}));
}

TEST_F(AtomicDirectoryTest, WritesFilesOfAModelOnly) {
  AtomicDirectory directory(model());
  put(directory.path() / "notes.txt", "not a file of a model");
  EXPECT_TRUE(contains(error_of<CheckpointError>([&] { directory.commit(); }), "found notes.txt"));
  EXPECT_FALSE(fs::exists(model()));
}

TEST_F(AtomicDirectoryTest, RefusesTheCurrentDirectory) {
  save(model(), model_a());
  const fs::path before = fs::current_path();
  fs::current_path(model());
  const std::string error = error_of<CheckpointError>([&] { save(".", model_b()); });
  fs::current_path(before);
  EXPECT_TRUE(contains(error, "found the current directory"));
  EXPECT_EQ(files_in(model()), model_a());
}

TEST_F(AtomicDirectoryTest, ReportsPathsThatCannotBeWritten) {
  const auto error = [](const fs::path& path) { return error_of<CheckpointError>([&] { save(path, model_a()); }); };
  EXPECT_TRUE(contains(error(parent() / "none" / "model"), "none/model: No such file or directory"));
  EXPECT_TRUE(contains(error(""), "found an empty one"));
  put(parent() / "file", "");
  EXPECT_TRUE(contains(error(parent() / "file" / "model"), "Not a directory"));
  fs::create_symlink("loop", parent() / "loop");
  EXPECT_THROW(save(parent() / "loop", model_a()), CheckpointError);

  // Nothing is forbidden to the superuser.
  fs::create_directory(parent() / "locked");
  save(parent() / "locked" / "model", model_a());
  fs::permissions(parent(), fs::perms(0755));
  fs::permissions(parent() / "locked", fs::perms(0555));
  const pid_t child = start([&] {
    if (::geteuid() == 0 && ::setuid(65534) != 0) return false;
    return static_cast<bool>(contains(error(parent() / "locked" / "model"), "Permission denied")) &&
           contains(error(parent() / "locked" / "new"), "Permission denied");
  });
  EXPECT_EQ(wait_for(child), 0);
  fs::permissions(parent() / "locked", fs::perms(0755));
  EXPECT_EQ(files_in(parent() / "locked" / "model"), model_a());
  EXPECT_EQ(names_in(parent() / "locked"), std::set<std::string>{"model"});
}

TEST_F(AtomicDirectoryTest, SavesToOnePlaceDoNotDisturbEachOther) {
  AtomicDirectory first(model()), second(model());
  write_text(first.path() / "config.json", "first");
  write_text(second.path() / "config.json", "second");
  second.commit();
  EXPECT_EQ(files_in(model()), (Files{{"config.json", "second"}}));
  first.commit();
  EXPECT_EQ(files_in(model()), (Files{{"config.json", "first"}}));
  EXPECT_EQ(names_in(parent()), std::set<std::string>{"model"});
}

// --- recover ---------------------------------------------------------------------------------------------------------

TEST_F(AtomicDirectoryTest, RecoversTheOldDirectoryOfATwoStepSave) {
  recover(model());  // nothing there, nothing to do
  EXPECT_TRUE(names_in(parent()).empty());
  save(model(), model_a());
  recover(model());
  EXPECT_EQ(files_in(model()), model_a());

  fs::rename(model(), parent() / "model.old~");
  recover(model() / "");
  EXPECT_EQ(files_in(model()), model_a());

  fs::create_directory_symlink("model", parent() / "link");
  fs::rename(model(), parent() / "model.old~");
  recover(parent() / "link");
  EXPECT_EQ(files_in(model()), model_a());
  fs::remove(parent() / "link");

  // Killed after the second step: the new one is whole and stays.
  fs::create_directory(parent() / "model.old~");
  put(parent() / "model.old~" / "config.json", "old");
  recover(model());
  EXPECT_EQ(files_in(model()), model_a());
  EXPECT_EQ(names_in(parent()), (std::set<std::string>{"model", "model.old~"}));

  // A save recovers too, before it begins.
  fs::remove_all(model());
  { AtomicDirectory directory(model()); }
  EXPECT_EQ(files_in(model()), (Files{{"config.json", "old"}}));
}

// --- killed writers --------------------------------------------------------------------------------------------------

#ifdef __linux__
/// Kills a writer of B after its n-th system call, for every n: whatever a save has done by then, A or B is whole, and
/// what is not a model's is there.
void kill_at_every_system_call(const fs::path& model, bool two_steps) {
  const Files a = model_a() + others(), b = model_b() + others();
  save(model, model_a());
  put_all(model, others());
  bool was_a = false, was_b = false;
  for (int calls = 0;; ++calls) {
    if (files_in(model) != a) save(model, model_a());
    const pid_t child = start([&] {
      if (two_steps && !forbid_exchange()) return false;
      if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) return false;
      ::raise(SIGSTOP);
      save(model, model_b());
      return true;
    });
    int status = wait_for(child);
    ASSERT_TRUE(WIFSTOPPED(status));
    // Every call stops twice, before and after it.
    for (int stops = 0; stops < 2 * calls && WIFSTOPPED(status); ++stops) {
      ASSERT_EQ(::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr), 0);
      status = wait_for(child);
    }
    if (!WIFSTOPPED(status)) {
      ASSERT_EQ(status, 0);
      break;
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    wait_for(child);

    recover(model);
    const Files files = files_in(model);
    ASSERT_TRUE(files == a || files == b) << "after " << calls << " system calls";
    (files == a ? was_a : was_b) = true;
  }
  EXPECT_TRUE(was_a);
  EXPECT_TRUE(was_b);
  EXPECT_EQ(files_in(model), b);
  EXPECT_EQ(names_in(model.parent_path()), std::set<std::string>{"model"});  // nothing is left of all the killed ones
}

TEST_F(AtomicDirectoryTest, EverySystemCallMayBeTheLast) {
  if (!can_trace()) GTEST_SKIP() << "needs ptrace";
  kill_at_every_system_call(model(), false);
}

TEST_F(AtomicDirectoryTest, EverySystemCallMayBeTheLastInTwoSteps) {
  if (!can_trace() || !can_forbid_exchange()) GTEST_SKIP() << "needs ptrace and seccomp";
  kill_at_every_system_call(model(), true);
}
#endif

TEST_F(AtomicDirectoryTest, LeavesTheDirectoriesOfLivingWriters) {
  AtomicDirectory living(model());
  write_text(living.path() / "config.json", "living");
  // A dead one, and directories of others that are only similar.
  fs::create_directory(parent() / "model.0123456789abcdef.new~");
  put(parent() / "model.0123456789abcdef.new~" / "config.json", "dead");
  const std::set<std::string> similar = {"model.0123456789abcdef.new", "model.old", "other.0123456789abcdef.new~"};
  for (const std::string& name : similar) fs::create_directory(parent() / name);
  EXPECT_EQ(wait_for(start([&] {
              save(model(), model_a());
              return true;
            })),
            0);
  std::set<std::string> expected = similar;
  expected.insert({"model", living.path().filename().string()});
  EXPECT_EQ(names_in(parent()), expected);
  living.commit();
  EXPECT_EQ(files_in(model()), (Files{{"config.json", "living"}}));
}

}  // namespace
}  // namespace ttt::detail
