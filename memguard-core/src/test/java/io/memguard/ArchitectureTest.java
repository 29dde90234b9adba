package io.memguard;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.members;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaMember;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTag;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import org.jspecify.annotations.NullMarked;

/**
 * The picture in docs/architecture.md, as rules over the compiled classes.
 *
 * <p>Values know nobody. A stage knows the values and the platform. Only the façade and {@code
 * recover} know the stages.
 */
@ArchTag("engine-independent")
@AnalyzeClasses(packages = "io.memguard", importOptions = ImportOption.DoNotIncludeTests.class)
final class ArchitectureTest {
  private static final String FACADE = "io.memguard";
  private static final String RECOVER = "io.memguard.recover..";
  private static final String PLATFORM = "io.memguard.platform..";
  private static final String[] VALUES = {
    "io.memguard.limits..", "io.memguard.outcome..", "io.memguard.events..", "io.memguard.doctor.."
  };

  private static final DescribedPredicate<JavaClass> OURS = resideInAPackage("io.memguard..");

  /** As module-info says; a package below one of these is not exported. */
  private static final DescribedPredicate<JavaClass> EXPORTED =
      resideInAnyPackage(
          FACADE,
          "io.memguard.doctor",
          "io.memguard.events",
          "io.memguard.launch",
          "io.memguard.limits",
          "io.memguard.outcome",
          "io.memguard.recover");

  @ArchTest
  static final ArchRule everyPackageIsInThePicture =
      classes()
          .should()
          .resideInAnyPackage(
              FACADE,
              RECOVER,
              PLATFORM,
              VALUES[0],
              VALUES[1],
              VALUES[2],
              VALUES[3],
              "io.memguard.launch..",
              "io.memguard.watch..",
              "io.memguard.diagnose..")
          .because("a package outside the picture is outside every rule below");

  @ArchTest
  static final ArchRule everyPackageIsNullMarked =
      classes()
          .should(ArchCondition.from(resideInANullMarkedPackage()))
          .because("NullAway looks at nothing else: its package-info needs @NullMarked");

  @ArchTest
  static final ArchRule onlyThePlatformCallsNativeCode =
      noClasses()
          .that(not(resideInAPackage(PLATFORM)))
          .should()
          .dependOnClassesThat()
          .resideInAPackage("com.sun.jna..")
          .because("io.memguard.platform is the one place where native code is called");

  @ArchTest static final ArchRule limitsKnowOnlyValues = mayKnow("limits", VALUES);

  @ArchTest static final ArchRule outcomesKnowOnlyValues = mayKnow("outcome", VALUES);

  @ArchTest static final ArchRule eventsKnowOnlyValues = mayKnow("events", VALUES);

  @ArchTest static final ArchRule theDoctorJudgesValues = mayKnow("doctor", VALUES);

  @ArchTest static final ArchRule thePlatformKnowsNoStage = mayKnow("platform", VALUES);

  @ArchTest
  static final ArchRule onlyTheRecorderNeedsTheFlightRecorder =
      noClasses()
          .that(not(resideInAPackage("io.memguard.platform.jfr..")))
          .should()
          .dependOnClassesThat()
          .resideInAPackage("jdk.jfr..")
          .because("the module jdk.jfr may be missing");

  @ArchTest static final ArchRule launchKnowsNoOtherStage = stage("launch");

  @ArchTest static final ArchRule watchKnowsNoOtherStage = stage("watch");

  @ArchTest static final ArchRule diagnoseKnowsNoOtherStage = stage("diagnose");

  @ArchTest
  static final ArchRule theApiShowsOnlyExportedTypes =
      members()
          .that(areApi())
          .should(ArchCondition.from(mentionOnlyExportedTypes()))
          .because("users cannot name a type of a package that is not exported");

  private static ArchRule stage(String name) {
    return mayKnow(name, VALUES[0], VALUES[1], VALUES[2], PLATFORM);
  }

  /** Of our own packages, {@code name} may depend on itself and on {@code others}, nothing else. */
  private static ArchRule mayKnow(String name, String... others) {
    String itself = "io.memguard." + name + "..";
    return noClasses()
        .that()
        .resideInAPackage(itself)
        .should()
        .dependOnClassesThat(
            OURS.and(not(resideInAPackage(itself))).and(not(resideInAnyPackage(others))))
        .allowEmptyShould(true)
        .because("values know no stage, and a stage knows only values and the platform");
  }

  private static DescribedPredicate<JavaClass> resideInANullMarkedPackage() {
    return describe(
        "reside in a null-marked package",
        type -> type.getPackage().isAnnotatedWith(NullMarked.class));
  }

  private static DescribedPredicate<JavaMember> areApi() {
    return describe(
        "are part of the API",
        member ->
            EXPORTED.test(member.getOwner())
                && member.getOwner().getModifiers().contains(JavaModifier.PUBLIC)
                && (member.getModifiers().contains(JavaModifier.PUBLIC)
                    || member.getModifiers().contains(JavaModifier.PROTECTED)));
  }

  private static DescribedPredicate<JavaMember> mentionOnlyExportedTypes() {
    return describe(
        "mention only exported types",
        member -> member.getAllInvolvedRawTypes().stream().noneMatch(OURS.and(not(EXPORTED))));
  }
}
