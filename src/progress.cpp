#include "monge/progress.h"

#include "monge/log.h"

#include "columns.h"

#include <sys/ioctl.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <unistd.h>

namespace monge {
namespace {

constexpr auto draw_interval = std::chrono::milliseconds(100);

bool terminal() {
  const char* kind = std::getenv("TERM");
  return isatty(STDERR_FILENO) && kind && std::string_view(kind) != "dumb";
}

int terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace

void SmoothRate::add(std::int64_t step, double seconds) {
  const double elapsed = seconds - seconds_;
  if (started_ && elapsed <= 0) return;
  if (started_) {
    // Both sums decay alike, so the quotient is unbiased from the first interval on.
    const double keep = std::exp(-elapsed / fade_seconds_);
    const double rate = static_cast<double>(step - step_) / elapsed;
    sum_ = keep * sum_ + (1 - keep) * rate;
    weight_ = keep * weight_ + (1 - keep);
  }
  started_ = true;
  step_ = step;
  seconds_ = seconds;
}

std::optional<double> SmoothRate::value() const {
  if (weight_ <= 0) return std::nullopt;
  return sum_ / weight_;
}

/// The line as it stands on the terminal. Log messages come from any thread, hence the mutex.
class ProgressLine::Screen {
 public:
  void draw(const ProgressState& state) {
    const std::scoped_lock lock(mutex_);
    const int width = terminal_width();
    // The last column stays free: a full row would make the terminal wrap.
    const std::string text = progress_text(state, width - 1);
    print(erasure(width) + text);
    drawn_ = columns(text);
  }

  void clear() {
    const std::scoped_lock lock(mutex_);
    if (drawn_ > 0) print(erasure(terminal_width()));
    drawn_ = 0;
  }

 private:
  /// Back to the start of what was drawn and clears it: a terminal that was made narrower since
  /// has folded the line into several rows, with the cursor on the last.
  std::string erasure(int width) const {
    const int folds = drawn_ > 0 ? (drawn_ - 1) / width : 0;
    return folds > 0 ? fmt::format("\r\x1b[{}A\x1b[J", folds) : "\r\x1b[K";
  }

  static void print(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  }

  std::mutex mutex_;
  int drawn_ = 0;
};

ProgressLine::ProgressLine(std::string name, std::int64_t steps)
    : screen_(terminal() ? std::make_unique<Screen>() : nullptr) {
  state_.name = std::move(name);
  state_.steps = steps;
  if (screen_) log::set_interrupt([screen = screen_.get()] { screen->clear(); });
}

ProgressLine::~ProgressLine() {
  if (!screen_) return;
  log::set_interrupt(nullptr);
  screen_->clear();
}

void ProgressLine::update(std::int64_t step) {
  if (!screen_) return;
  const auto now = std::chrono::steady_clock::now();
  const bool last = step == state_.steps && step != state_.step;
  state_.step = step;
  if (now < next_draw_ && !last) return;
  next_draw_ = now + draw_interval;
  rate_.add(step, std::chrono::duration<double>(now.time_since_epoch()).count());
  state_.steps_per_second = rate_.value();
  screen_->draw(state_);
}

void ProgressLine::quality(std::string_view name, double latest, double best) {
  state_.quality = name;
  state_.latest = latest;
  state_.best = best;
}

}  // namespace monge
