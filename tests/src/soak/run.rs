//! A soak from its beginning to its count.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::book::Book;
use super::collector::Collector;
use super::disturb::{Disturber, Tally};
use super::feed::Feed;
use super::options::Options;
use super::random::Random;
use super::report::Report;
use super::shelves::Shelves;
use super::stand::Stand;
use super::writer::write;

/// What random numbers are for.
const FILES: u64 = 1;
const WRITING: u64 = 2;
const FAULTS: u64 = 3;

/// How long the program may do nothing that can be seen, once nothing goes wrong any more, before
/// it is said to be stuck.
const PATIENCE: Duration = Duration::from_secs(90);

/// Soaks the program, and counts.
///
/// # Errors
/// If something other than the program fails, or the program ends of itself. What was lost is in
/// the report.
pub async fn soak(options: &Options) -> anyhow::Result<Report> {
    let began = Instant::now();
    let book = Arc::new(Book::default());
    let mut stand = Stand::build(options, &book).await?;
    let collector = Collector::start(&options.broker, stand.queues(), &book);
    let soaked = expose(options, &mut stand, &book, collector).await;
    let tally = match soaked {
        Ok(tally) => tally,
        Err(error) => {
            let folder = stand.keep();
            let told = format!(
                "seed {}; its folder is kept: {}",
                options.seed,
                folder.display()
            );
            return Err(error.context(told));
        }
    };
    let shelves = stand.shelves().await;
    let mut problems = book.problems(&shelves, options.after_import);
    problems.extend(book.unexcused());
    let mut report = Report::new(options, began.elapsed(), book.counts(), tally, problems);
    if !report.is_good() {
        report.kept = Some(stand.keep());
    }
    Ok(report)
}

/// Lets files and faults loose, and waits until the program has done what it can.
async fn expose(
    options: &Options,
    stand: &mut Stand,
    book: &Arc<Book>,
    collector: Collector,
) -> anyhow::Result<Tally> {
    let stop = CancellationToken::new();
    let writing = tokio::spawn(write(
        Feed::new(Random::new(options.seed, FILES), options.sources),
        Random::new(options.seed, WRITING),
        stand.goal(),
        Arc::clone(book),
        stop.clone(),
    ));
    let disturber = Disturber {
        random: Random::new(options.seed, FAULTS),
        stand,
        collector: &collector,
        book,
        rabbitmqctl: options.rabbitmqctl.as_deref(),
    };
    let tally = disturber.disturb(options.goal).await;
    stop.cancel();
    writing.await.context("the writer panicked")??;
    let tally = tally?;
    until_done(options, stand, book).await?;
    stand.stop().await?;
    book.delivered(&stand.delivered()?);
    book.hit(None, stand.proxy.connections());
    // Whatever was done must be known: another start finds nothing to do.
    stand.run_once().await?;
    collector.finish().await?;
    Ok(tally)
}

/// Waits until all is as it has to be, or nothing moves any more.
async fn until_done(options: &Options, stand: &mut Stand, book: &Book) -> anyhow::Result<()> {
    let mut shelves = stand.shelves().await;
    let mut moved = Instant::now();
    let mut before = progress(&shelves, book);
    while book.open_files() > 0 || !book.problems(&shelves, options.after_import).is_empty() {
        stand.check_alive()?;
        stand.list(&mut shelves).await;
        let now = progress(&shelves, book);
        if now != before {
            (before, moved) = (now, Instant::now());
        }
        if moved.elapsed() > PATIENCE {
            return Ok(());
        }
        sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

fn progress(shelves: &Shelves, book: &Book) -> (usize, usize) {
    (book.arrivals(), shelves.count())
}
