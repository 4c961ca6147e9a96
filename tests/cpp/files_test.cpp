#include "monge/files.h"

#include "error_text.h"
#include "temporary_folder.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <unistd.h>

namespace monge {
namespace {

namespace fs = std::filesystem;

/// Permissions do not bind the superuser: while this lives, the process is nobody.
class Unprivileged {
 public:
  Unprivileged() {
    if (before_ == 0 && ::seteuid(65534) != 0) throw std::runtime_error("seteuid");
  }
  ~Unprivileged() {
    if (::seteuid(before_) != 0) std::abort();
  }

 private:
  uid_t before_ = ::geteuid();
};

/// Files may not grow past `bytes` while this lives: a full disk for a test.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(Files, TextComesBackAndLeavesNoOtherFile) {
  const TemporaryFolder folder;
  const std::string text("a\0b\r\n", 5);
  write_text(folder / "a.txt", text);
  EXPECT_EQ(read_text(folder / "a.txt"), text);
  const std::string longer(300'000, 'x');
  write_text(folder / "a.txt", longer);
  EXPECT_EQ(read_text(folder / "a.txt"), longer);
  EXPECT_EQ(folder.entries(), 1);
}

TEST(Files, NothingAppearsBeforeTheCommitAndNothingStaysWithoutIt) {
  const TemporaryFolder folder;
  write_text(folder / "a.txt", "old");
  {
    AtomicFile file(folder / "a.txt");
    file.write("new");
    EXPECT_EQ(read_text(folder / "a.txt"), "old");
    EXPECT_EQ(folder.entries(), 2);
  }
  EXPECT_EQ(read_text(folder / "a.txt"), "old");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(Files, RewriteReplacesBytesInPlace) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a.txt");
  file.write("?? items");
  file.rewrite(0, "12");
  file.write(", done");
  file.commit();
  EXPECT_EQ(read_text(folder / "a.txt"), "12 items, done");
  EXPECT_THROW(file.write("more"), Error);
  EXPECT_THROW(file.rewrite(0, "x"), Error);
  EXPECT_THROW(file.commit(), Error);
  EXPECT_EQ(read_text(folder / "a.txt"), "12 items, done");
}

TEST(Files, KeepRefusesAFileThatIsThere) {
  const TemporaryFolder folder;
  write_text(folder / "a.txt", "old");
  const auto expected = (folder / "a.txt").string() + ": exists; pass --force to replace it";
  EXPECT_EQ(error_text([&] { require_writable(folder / "a.txt", Existing::keep); }), expected);
  EXPECT_EQ(error_text([&] { AtomicFile(folder / "a.txt", Existing::keep); }), expected);
  EXPECT_EQ(error_text([&] { require_writable(folder / "a.txt", Existing::replace); }), "");
  EXPECT_EQ(error_text([&] { require_writable(folder / "b.txt", Existing::keep); }), "");
  write_text(folder / "b.txt", "new", Existing::keep);
  EXPECT_EQ(read_text(folder / "b.txt"), "new");
}

TEST(Files, KeepRefusesAFileThatAppearsMeanwhile) {
  const TemporaryFolder folder;
  {
    AtomicFile file(folder / "a.txt", Existing::keep);
    file.write("ours");
    write_text(folder / "a.txt", "theirs");
    expect_message(error_text([&] { file.commit(); }), "exists; pass --force");
  }
  EXPECT_EQ(read_text(folder / "a.txt"), "theirs");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(Files, AFullDiskLeavesTheOldFile) {
  const TemporaryFolder folder;
  write_text(folder / "a.txt", "old");
  {
    const FileSizeLimit limit(4096);
    AtomicFile file(folder / "a.txt");
    const std::string message = error_text([&] { file.write(std::string(5000, 'x')); });
    expect_message(message, (folder / "a.txt").string() + ": cannot write: File too large");
    EXPECT_THROW(file.commit(), Error) << "a file with a hole was committed";
  }
  EXPECT_EQ(read_text(folder / "a.txt"), "old");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(Files, ALibraryMayReplaceTheTemporaryFile) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "picture.png");
  EXPECT_EQ(file.temporary().extension(), ".png");
  EXPECT_EQ(file.temporary().parent_path(), fs::canonical(folder.path()));
  std::ofstream(folder / "other") << "by a library";
  fs::rename(folder / "other", file.temporary());
  file.commit();
  EXPECT_EQ(read_text(folder / "picture.png"), "by a library");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(Files, ATemporaryFileThatVanishedIsAnError) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a.txt");
  fs::remove(file.temporary());
  expect_message(error_text([&] { file.commit(); }), "a.txt: cannot write: No such file");
}

TEST(Files, ALinkStaysALinkAndItsFileIsWritten) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "sub");
  write_text(folder / "sub/real.txt", "old");
  fs::create_symlink("sub/real.txt", folder / "link.txt");
  write_text(folder / "link.txt", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link.txt"));
  EXPECT_EQ(read_text(folder / "sub/real.txt"), "new");
  EXPECT_THROW(write_text(folder / "link.txt", "x", Existing::keep), Error);

  fs::create_symlink("sub/later.txt", folder / "dangling.txt");
  write_text(folder / "dangling.txt", "made", Existing::keep);
  EXPECT_EQ(read_text(folder / "sub/later.txt"), "made");

  fs::create_symlink("b", folder / "a");
  fs::create_symlink("a", folder / "b");
  expect_message(error_text([&] { write_text(folder / "a", "x"); }), "symbolic links");
}

TEST(Files, PermissionsFollowTheMask) {
  const TemporaryFolder folder;
  const mode_t before = ::umask(027);
  write_text(folder / "a.txt", "x");
  ::umask(before);
  struct stat status{};
  ASSERT_EQ(::stat((folder / "a.txt").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(Files, TargetsThatAreNoFilesAreRefused) {
  const TemporaryFolder folder;
  const auto message = [](const fs::path& path) {
    return error_text([&] { AtomicFile file(path); });
  };
  expect_message(message(folder.path()), "expected a file to write, got a folder");
  expect_message(message(folder / "new/"), "expected a file name, got a folder");
  expect_message(message(folder / "missing/a.txt"), "missing' to exist, got none");
  write_text(folder / "plain", "x");
  expect_message(message(folder / "plain/a.txt"), "plain', got a file");
  expect_message(message("/dev/null"), "/dev/null: expected a regular file");
  expect_message(message("/dev/stdout"), "/dev/stdout: expected a regular file");
  expect_message(message(""), "expected a name");
  expect_message(message(folder / std::string(300, 'n')), "name too long");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  expect_message(message(folder / "pipe"), "expected a regular file");
  EXPECT_EQ(folder.entries(), 2);
  write_text(folder / std::string(255, 'n'), "fits");
  EXPECT_EQ(read_text(folder / std::string(255, 'n')), "fits");
}

TEST(Files, PermissionsAreNamed) {
  const TemporaryFolder folder;
  write_text(folder / "secret.txt", "x");
  fs::permissions(folder / "secret.txt", fs::perms::none);
  fs::permissions(folder.path(), static_cast<fs::perms>(0555));
  {
    const Unprivileged nobody;
    expect_message(error_text([&] { read_text(folder / "secret.txt"); }),
                   "secret.txt: cannot read: Permission denied");
    expect_message(error_text([&] { write_text(folder / "new.txt", "x"); }),
                   "new.txt: cannot write into its folder: Permission denied");
  }
  fs::permissions(folder.path(), fs::perms::owner_all);
}

TEST(Files, UnreadableTextsAreNamed) {
  const TemporaryFolder folder;
  expect_message(error_text([&] { read_text(folder / "none.txt"); }),
                 "none.txt: expected a file, got none");
  expect_message(error_text([&] { read_text(folder.path()); }), "expected a file, got a folder");
}

}  // namespace
}  // namespace monge
